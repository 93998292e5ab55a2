"""What Envoy gets as it is written: headers and cookies of requests, and the lists of CORS.

Envoy refuses a whole listener for one value that it can not read, and with it everybody's routes.
Every function returns the value or raises ValueError with the text that its author will read.
"""

import re

from authz.istio.syntax import ONE_ORIGIN

VALUE_MAX_LENGTH = 4_096  # bytes; Envoy's configuration takes 16 KiB, most servers 8 KiB for all headers
REGEX_MAX_LENGTH = 256  # characters
# Istio has Envoy refuse programs of more than 32,768 instructions; \W? takes six, and so each repetition.
REPEATED_MAX = 100  # times, over the whole expression
GROUP_REPEATED_MAX = 10  # times, and nothing else is

_WORD = r"[!#$&'*+.^_`|~0-9A-Za-z-]+"  # a token (RFC 9110 5.6.2) without %, which commands start with
_HEADER = rf":?{_WORD}"
_COMMAND = (
    rf"%(?:%|(?:REQ\({_HEADER}(?:\?{_HEADER})?\)(?::[1-9][0-9]{{0,3}})?"
    r"|DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT|PROTOCOL|START_TIME)%)"
)

_name = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_token = re.compile(_WORD).fullmatch
_text = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?").fullmatch
_prefix = re.compile(r"[ \t!-~]*").fullmatch
_visible = re.compile(r"[!-~]+").fullmatch
_octets = re.compile(r"[!#-+\--:<-\[\]-~]*").fullmatch  # RFC 6265 4.1.1
_commands = re.compile(rf"(?:[^%]|{_COMMAND})*").fullmatch

# Routing, credentials and the framing of messages are not the author's to set.
_reserved = re.compile(
    "host|authorization|connection|content-length|transfer-encoding|te|upgrade|x-(?:auth|envoy|istio)-.*"
).fullmatch

# What RE2 and Python read alike, and what origins need: no flags, no lookaround, nothing possessive.
_COUNT = r"\{[0-9]{1,3}(?:,[0-9]{0,3})?\}"
_ESCAPED = r"\\[dwDW.:/?*+()|{}\[\]^$\\-]"
_SET = rf"\[\^?(?:[A-Za-z0-9.:/_]|-(?!-)|{_ESCAPED})+\]"
_regex = re.compile(
    rf"(?:\((?:\?:)?(?![*+?])|[|^$]|(?:[A-Za-z0-9.:/_)-]|{_ESCAPED}|{_SET})(?:(?:[*+?]|{_COUNT})\??)?)*"
).fullmatch
_counts = re.compile(rf"{_ESCAPED}|{_SET}|(\)?{_COUNT})").findall  # "" for the former two


def name(value: str) -> str:
    """RFC 9110 5.1."""
    if not _name(value):
        raise ValueError("is not a name that a header can have")
    return value


def spelling(header: str) -> str:
    """The one of its spellings that stands for all: CGI and WSGI workloads read `_` and `-` as one."""
    return header.lower().replace("_", "-")


def added(value: str) -> str:
    """The name of a header that is set on requests."""
    plain = spelling(name(value))
    if plain == "cookie":
        raise ValueError("may not be set here: request.cookies adds to the client's own")
    if _reserved(plain):
        raise ValueError("may not be set by an APIRule")
    return value


def text(value: str) -> str:
    """RFC 9110 5.5 without its obsolete rest; of Envoy's commands, those that only need the request."""
    if len(value) > VALUE_MAX_LENGTH or not _text(value):
        raise ValueError(
            f"must be visible ASCII and blanks, none at either end, {VALUE_MAX_LENGTH} characters at most"
        )
    return _commanding(value)


def prefix(value: str) -> str:
    """What stands before a token, often with a space at its end."""
    if not _prefix(value):
        raise ValueError("must be visible ASCII and blanks")
    return value


def octets(value: str) -> str:
    """The value of a cookie: RFC 6265 4.1.1."""
    if not _octets(value):
        raise ValueError('must be visible ASCII without spaces, ", comma, semicolon and backslash')
    return _commanding(value)


def cookies(values: dict[str, str]) -> dict[str, str]:
    """They are sent as one header."""
    if len(joined(values)) > VALUE_MAX_LENGTH:
        raise ValueError(f"must have {VALUE_MAX_LENGTH} characters at most, taken together")
    return values


def joined(cookies: dict[str, str]) -> str:
    """As the header has them (RFC 6265 4.2.1)."""
    return "; ".join(f"{name}={value}" for name, value in sorted(cookies.items()))


def token(value: str) -> str:
    """A cookie's name (RFC 6265 4.1.1); a method or a header that CORS allows, or `*`."""
    if not _token(value):
        raise ValueError("must be letters, digits and any of !#$&'*+-.^_`|~")
    return value


def origin(value: dict[str, str]) -> dict[str, str]:
    """One way to compare an origin."""
    if len(value) != 1:
        raise ValueError(ONE_ORIGIN)
    ((kind, compared),) = value.items()
    if not _visible(compared):
        raise ValueError("must be visible ASCII")
    if kind == "regex":
        _check_regex(compared)
    return value


def _commanding(value: str) -> str:
    if not _commands(value):
        raise ValueError(
            "% starts a command of Envoy's, and this is none that is known here, such as %REQ(NAME)%: "
            "write %% for the character"
        )
    return value


def _check_regex(value: str) -> None:
    if len(value) > REGEX_MAX_LENGTH or not _regex(value):
        raise ValueError(
            f"must be a plain regular expression (RE2) of {REGEX_MAX_LENGTH} characters at most: "
            r"letters, digits and . : / _ -, others behind \, [sets], (groups), | and * + ? {n}"
        )
    _check_counts([count for count in _counts(value) if count])
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from error


def _check_counts(counts: list[str]) -> None:
    """One within another multiplies, so that a counted (group) stands alone."""
    total = sum(max(map(int, re.findall("[0-9]+", count))) for count in counts)
    if total > REPEATED_MAX:
        raise ValueError(f"may repeat {REPEATED_MAX} times at most, all {{n}} taken together")
    if any(count.startswith(")") for count in counts) and (len(counts) > 1 or total > GROUP_REPEATED_MAX):
        raise ValueError(f"may repeat a (group) {GROUP_REPEATED_MAX} times at most, and nothing else then")
