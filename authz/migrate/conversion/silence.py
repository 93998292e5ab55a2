"""What no row speaks of gets one: a setting of a handler is a question, anything else is left out."""

import re
from collections.abc import Mapping
from typing import Any

from authz.migrate.conversion.judging import Judged
from authz.migrate.conversion.pipeline.schemas import SETTINGS
from authz.migrate.report import masking
from authz.migrate.report import rows as report
from authz.migrate.report.rows import Contrast, Ledger

# Written by whoever made the object, and read by nobody since.
_TEXTS = {
    "description": "Words for people; put them into an annotation if they matter.",
    "version": "Of the file's format.",
    "configMapName": "There is no such file any more.",
    "authority": "Of gRPC: the host, as of any request.",
    "full_method": "Of gRPC: the path, as of any request.",
}
_READ = frozenset({"handler", "host", "methods", "path", "url"})  # by whoever was not asked before
_LEFT_OUT = "left out"
_EMPTY: tuple[object, ...] = (None, "", {}, [])

_setting = re.compile(r"(.*)\.config\.([A-Za-z_]+).*").fullmatch
_is_no_object = re.compile(r".*\.config(?:\[.*)?").fullmatch
_step = re.compile(r"([^.\[\]]+)|\[(\d+)\]").finditer


def speak(judged: Judged) -> None:
    """Adds the rows that are missing."""
    ledger = judged.ledger
    for at, value in list(report.silent(judged.object.body, ledger.findings)):
        if value not in _EMPTY:
            _about(at, value, judged.object.body, ledger.about(_index(at)))


def _about(at: str, value: Any, body: Mapping[str, Any], ledger: Ledger) -> None:
    name = at.rpartition(".")[2]
    if name in _TEXTS:
        ledger.kept(at, _TEXTS[name], old=value, new=_LEFT_OUT)
    elif name == "timeout":
        ledger.kept(at, "The same, in seconds.", old=value, new=value)
    elif at.startswith("spec.service."):
        ledger.kept(at, "Every rule has a service of its own.", old=value, new=_LEFT_OUT)
    elif found := _setting(at):
        _about_setting(at, value, (str(_at(body, f"{found[1]}.handler")), found[2]), ledger)
    elif _is_no_object(at):
        question = "What are the settings of this handler? They have to be an object."
        ledger.ask(at, question, f"edit {at}", old=value, code="type")
    elif name in _READ and ledger.is_open:
        ledger.kept(at, "Not looked at yet: something else is asked about the rule.", old=value)
    else:
        message = "No version has this field; nothing is made of it."
        ledger.narrowed(at, report.UNKNOWN, message, Contrast(value))


def _about_setting(at: str, value: Any, named: tuple[str, str], ledger: Ledger) -> None:
    handler, setting = named
    if setting in SETTINGS.get(handler, ()):
        ledger.kept(at, f"It belongs to {handler}, whose own row says what becomes of it.", old=value)
    else:
        question = f"What does {setting} do? {handler} has no such setting, so nothing is made of it."
        ledger.ask(at, question, f"take {at} out of the rule", old=masking.HIDDEN)


def _at(body: Any, path: str) -> Any:
    """The value there, or nothing."""
    for step in _step(path):
        if step[1] and isinstance(body, Mapping):
            body = body.get(step[1])
        elif step[2] and isinstance(body, list) and int(step[2]) < len(body):
            body = body[int(step[2])]
        else:
            return ""
    return body


def _index(at: str) -> int | None:
    """Of the rule, in `spec.rules[3].path`."""
    inside = at.removeprefix("spec.rules[").partition("]")[0] if at.startswith("spec.rules[") else ""
    return int(inside) if inside.isdecimal() else None
