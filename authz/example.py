"""The example configuration, made from the model: every setting, its default and its meaning.

Nothing is written twice: what stands in `config/authz.yaml` is this module's output, and a test says so.
"""

from collections.abc import Iterator
from types import UnionType
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from authz.config import Config
from authz.values import OneOf, duration

_INDENT = "  "


def render() -> str:
    """YAML with a comment above each setting."""
    opening = f"# {Config.__doc__} Every setting is here with its default, or an example where it has none.\n"
    return opening + "\n".join(_section(Config, "")) + "\n"


def _section(model: type[BaseModel], indent: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if indent == "":
            yield ""
        section, is_list = _model(field)
        about = field.description or (section.__doc__ if section else None)
        if about:
            yield f"{indent}# {about}"
        if section is None:
            yield from _setting(field.alias or name, field, indent)
        else:
            yield f"{indent}{field.alias or name}:"
            inner = list(_section(section, indent + _INDENT * (2 if is_list else 1)))
            yield from _as_items(section, inner, indent + _INDENT) if is_list else inner


def _setting(name: str, field: FieldInfo, indent: str) -> Iterator[str]:
    value: Any = field.examples[0] if field.examples else field.get_default(call_default_factory=True)
    text = yaml.safe_dump(_plain(value), default_flow_style=True, width=200, allow_unicode=True)
    yield f"{indent}{name}: {text.splitlines()[0]}"


def _as_items(section: type[BaseModel], lines: list[str], indent: str) -> Iterator[str]:
    """The first line of a list's item bears the dash; of a choice each setting is an item."""
    if not issubclass(section, OneOf):
        yield from (f"{indent}-", *lines)
        return
    names = {f"{indent}{_INDENT}{field.alias}:" for field in section.model_fields.values()}
    for line in lines:
        above = line.removeprefix(_INDENT) if line.startswith(f"{indent}{_INDENT}#") else line
        yield f"{indent}- {line.lstrip()}" if line in names else above


def _model(field: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    """The section behind a setting, and whether there may be several. One left out has no section."""
    annotation = field.annotation
    if isinstance(annotation, UnionType) and not field.description:
        annotation = get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    inner = get_args(annotation)[0] if get_origin(annotation) is tuple else None
    return (inner, True) if isinstance(inner, type) and issubclass(inner, BaseModel) else (None, False)


def _plain(value: Any) -> Any:
    match value:
        case float():
            return duration(value)
        case tuple():
            return list(value)
        case dict() | list() | str() | int() | None:
            return value
        case _:
            return dict(value)
