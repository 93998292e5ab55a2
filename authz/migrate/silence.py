"""What no row speaks of gets one: a setting of a handler is a question, anything else is left out."""

from authz.migrate import report
from authz.migrate.judging import Judged

# Written by whoever made the object, and read by nobody since.
_TEXTS = {
    "description": "Words for people; put them into an annotation if they matter.",
    "version": "Of the file's format.",
    "configMapName": "There is no such file any more.",
    "external": "It had no meaning.",
    "isExternal": "It had no meaning.",
}
_EMPTY: tuple[object, ...] = (None, "", {}, [])


def speak(judged: Judged) -> None:
    """Adds the rows that are missing."""
    ledger = judged.ledger
    for at, value in list(report.silent(judged.object.body, ledger.findings)):
        ledger.index = _index(at)
        name = at.rpartition(".")[2]
        if value in _EMPTY:
            continue
        if name in _TEXTS:
            ledger.kept(at, _TEXTS[name], old=value, new="left out")
        elif ".config." in at:
            question = f"What does {name} do? The handler has no such setting, so nothing is made of it."
            ledger.ask(at, question, f"take {at} out of the rule", old=value)
        else:
            ledger.narrowed(at, "unknown", "No version has this field; nothing is made of it.", old=value)
    ledger.index = None


def _index(at: str) -> int | None:
    """Of the rule, in `spec.rules[3].path`."""
    inside = at.removeprefix("spec.rules[").partition("]")[0] if at.startswith("spec.rules[") else ""
    return int(inside) if inside.isdecimal() else None
