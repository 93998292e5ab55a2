"""What a report may show: it goes from hand to hand, and a credential may stand in any old document.

By its place what a setting's name calls a secret, and whatever is set on requests; by its look the rest.
"""

import re
from typing import NamedTuple

HIDDEN = "***"

_is_secret = re.compile(
    r"passw(?:or)?d|passphrase|secret(?!Name)|(?<!allow)(?<!allow_)(?<!client_)credential"
    r"|(?:api|private|shared|access|signing)[-_]?key|(?:^|[.-])authorization$|additional_headers"
    r"|token$|signature|\.tls\.|\.payload$|^spec\.metadata",
    re.IGNORECASE,
).search
_is_set = re.compile(r"(?:\.|_request_)(?:headers|cookies)(?:[.\[]|$)", re.IGNORECASE).search
_dynamic = re.compile(r"\{\{.*?\}\}|%[A-Z_]+(?:\([^)]*\))?%", re.DOTALL)
_quoted = re.compile(r'(?<!\.Extra )"(?!%s")[^"]*"').sub


class _Look(NamedTuple):
    pattern: re.Pattern[str]
    instead: str


_LOOKS = (
    _Look(re.compile(r"//[^/@\s]+@"), f"//{HIDDEN}@"),
    _Look(re.compile(r"(https?://[^\s?#<>,]+[?#])[^\s,]+"), rf"\1{HIDDEN}"),
    _Look(re.compile(r"\b(inline:|base64:|data:)[^\s,]+"), rf"\1{HIDDEN}"),  # documents in an address
    _Look(re.compile(r"\b(Bearer|Basic) +[A-Za-z0-9+/._~=-]{6,}"), rf"\1 {HIDDEN}"),
    _Look(re.compile(r"\beyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9_.-]*"), HIDDEN),  # a JWT
)


def is_secret(name: str) -> bool:
    """True if a setting of that name, or at that place, holds one."""
    return _is_secret(name) is not None


def shown(text: str) -> str:
    """Any text, without what looks like a credential."""
    for look in _LOOKS:
        text = look.pattern.sub(look.instead, text)
    return text


def value(at: str, text: str) -> str:
    """What stands at that place."""
    if is_secret(at):
        return HIDDEN
    return _of_request(text) if _is_set(at) else shown(text)


def _of_request(text: str) -> str:
    """A header or cookie, perhaps after its new name: only what a template takes from the request."""
    name, colon, said = (
        text.partition(": ") if text.startswith(("request.", "identityHeaders.")) else ("", "", text)
    )
    taken = "".join(_quoted(f'"{HIDDEN}"', one) for one in _dynamic.findall(said))
    is_claim = name.startswith("identityHeaders.")
    return name + colon + (said if is_claim else taken + (HIDDEN if _dynamic.sub("", said).strip() else ""))
