"""YAML as it may be written here: plain documents, without aliases, of bounded size and depth.

An alias lets a few hundred bytes stand for gigabytes, and nesting without end exhausts the stack. So
documents are built from libyaml's events, in one pass and without recursion: a third of PyYAML's time.
"""

from functools import lru_cache
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

TEXT_MAX_LENGTH = 16 << 20  # 10,000 APIRules take some 8 MB
DEPTH_MAX = 50  # an APIRule has 8 levels
SCALARS_MAX = 16_384  # remembered: most stand in every document

_STRING = "tag:yaml.org,2002:str"
_COLLECTIONS = {None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_NOTHING = object()
_resolver = Resolver()


class Malformed(ValueError):
    """Says in one line where reading breaks off, and why."""


def read(text: str) -> list[Any]:
    """All documents of a file. Raises Malformed."""
    if len(text) > TEXT_MAX_LENGTH:
        raise Malformed(f"longer than {TEXT_MAX_LENGTH >> 20} MiB")
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.take(event)
    except yaml.YAMLError as error:
        raise Malformed(_where(error)) from error
    except (ValueError, OverflowError) as error:  # a date or a number that there is not
        raise Malformed(f"a value can not be read: {error}") from error
    return builder.documents


class _Builder:
    """Knows what is open: each collection, with the key that waits for its value."""

    def __init__(self) -> None:
        self.documents: list[Any] = []
        self._open: list[Any] = []
        self._keys: list[Any] = []

    def take(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._put(_scalar(event), event)
        elif kind is yaml.MappingStartEvent:
            self._start({}, event)
        elif kind is yaml.SequenceStartEvent:
            self._start([], event)
        elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            self._open.pop()
            self._keys.pop()
        elif kind is yaml.AliasEvent:
            raise _refusal(event, "aliases are not supported")

    def _start(self, collection: Any, event: Any) -> None:
        if len(self._open) >= DEPTH_MAX:
            raise _refusal(event, f"nested deeper than {DEPTH_MAX} levels")
        if event.tag not in _COLLECTIONS:
            raise _refusal(event, f"{event.tag} is not supported")
        self._put(collection, event)
        self._open.append(collection)
        self._keys.append(_NOTHING)

    def _put(self, value: Any, event: Any) -> None:
        if not self._open:
            self.documents.append(value)
        elif isinstance(self._open[-1], list):
            self._open[-1].append(value)
        elif self._keys[-1] is _NOTHING:
            self._keys[-1] = self._key(value, event)
        else:
            self._open[-1][self._keys[-1]] = value
            self._keys[-1] = _NOTHING

    def _key(self, value: Any, event: Any) -> Any:
        """YAML 1.2 3.2.1.1: keys are unique. Of two, one reader would take the first, another the last."""
        if isinstance(value, list | dict):
            raise _refusal(event, "a key must be a single value")
        if value in self._open[-1]:
            raise _refusal(event, f"{event.value} stands here twice")
        return value


def _scalar(event: Any) -> Any:
    plain, quoted = event.implicit
    if plain:
        return _plain(event.value)
    if quoted or event.tag in (_STRING, "!"):
        return event.value
    return _constructed(yaml.ScalarNode(event.tag, event.value, event.start_mark))


@lru_cache(SCALARS_MAX)
def _plain(value: str) -> Any:
    tag = _resolver.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    return value if tag == _STRING else _constructed(yaml.ScalarNode(tag, value))


def _constructed(node: yaml.ScalarNode) -> Any:
    """By a constructor of its own, for it keeps what it has made."""
    return SafeConstructor().construct_object(node)


def _refusal(event: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def _where(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())
