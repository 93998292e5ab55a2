"""Go templates whose meaning is plain: text, or one claim of who calls. Others are a person's to decide.

Oathkeeper fills them from its session: `.Subject`, and `.Extra` with what it knows besides.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from authz.migrate.conversion.model.access import Access, Nobody, Public, Way

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}").fullmatch
_SUBJECT = re.compile(r"(?:print |printf \"%s\" )?\.Subject").fullmatch
_EXTRA = re.compile(r"(?:print |printf \"%s\" )?\.Extra\.([A-Za-z_][A-Za-z0-9_]*)").fullmatch
_INDEX = re.compile(r"(?:print )?\(?index \.Extra \"([^\"\\]+)\"\)?").fullmatch

_OF_ANSWERS = frozenset(
    {"sub", "username", "client_id", "scope", "aud"}
)  # of an introspection; others are in `ext`
_OF_SESSIONS = {
    "sub": "sub",
    "email": "email",
    "groups": "groups",
    "preferred_username": "preferred_username",
}


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


def meant(template: str, access: Sequence[Access]) -> Text | Claim | None:
    """The claim all who may be let in have by one name; what everyone is called, where nobody has any."""
    said = parse(template)
    if isinstance(said, Text) or said is None:
        return said
    if all(isinstance(one, Nobody) or (isinstance(one, Public) and not one.silent) for one in access):
        subjects = {one.subject for one in access if isinstance(one, Public)}
        return Text(next(iter(subjects), "") if said.name == "sub" else "")
    kinds = {kind for one in access if isinstance(one, Way) for entry in one.accept for kind in entry}
    if "introspection" in kinds and said.name not in _OF_ANSWERS:
        return Claim(f"ext.{said.name}") if kinds == {"introspection"} and "." not in said.name else None
    if "session" in kinds and said.name not in _OF_SESSIONS:
        return None
    return said
