"""Go templates whose meaning is plain: text, or one claim of who calls. Others are a person's to decide.

Oathkeeper fills them from its session: `.Subject`, and `.Extra` with what it knows besides.
"""

import re
from dataclasses import dataclass

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}").fullmatch
_SUBJECT = re.compile(r"(?:print |printf \"%s\" )?\.Subject").fullmatch
_EXTRA = re.compile(r"(?:print |printf \"%s\" )?\.Extra\.([A-Za-z_][A-Za-z0-9_]*)").fullmatch
_INDEX = re.compile(r"(?:print )?\(?index \.Extra \"([^\"\\]+)\"\)?").fullmatch


@dataclass(frozen=True, slots=True)
class Text:
    """The same for everyone."""

    text: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What is known of the caller by this name."""

    name: str


def parse(template: str) -> Text | Claim | None:
    """None if it is neither."""
    if "{{" not in template:
        return Text(template)
    action = _ACTION(template.strip())
    if action is None or "{{" in action[1]:
        return None
    if _SUBJECT(action[1]):
        return Claim("sub")
    found = _EXTRA(action[1]) or _INDEX(action[1])
    return Claim(found[1]) if found else None
