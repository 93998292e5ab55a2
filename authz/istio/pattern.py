"""The path of a rule as its author writes it, and what keeps it from being one.

What it means is said in `core.path`.
"""

import re

from authz.core import path as paths
from authz.core.path import Kind, Path

# Every template is compiled, and every two rules are compared segment by segment.
PATH_MAX_LENGTH = 512  # characters
SEGMENTS_MAX = 32
OPERATORS_MAX = 16  # {*} and {**}: each is a loop of the regular expression
REGEX_MAX_LENGTH = 1_024  # characters; Istio's webhook refuses longer ones

# RE2 and Python read these alike: the API server checks them too (`cel`).
PATH = r"(?:/(?:[A-Za-z0-9._~!$&'()+,;=:@-]|%[0-9a-fA-F]{2})*|/\{\*{1,2}\})+|/\*"
UNRESERVED = r"%(?:2[dDeE]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aAeE])"

NOT_A_PATH = "Path must start with / and hold URL characters, {*}, {**}, or be /*"
PATH_TOO_LONG = f"Path must have {PATH_MAX_LENGTH} characters and {SEGMENTS_MAX} segments at most"
MANY_OPERATORS = f"Only {OPERATORS_MAX} operators are allowed in the path."
OPEN_TWICE = "Only one {**} operator is allowed in the path."
OPEN_NOT_LAST = "The {**} operator must be the last operator in the path."
RESOLVED = "No request reaches this path: Envoy resolves . and .. and decodes %41 and the like"
EMPTY_SEGMENT = "A path with {*}, or with {**} before its end, can not hold //"
LONG_REGEX = (
    f"The path is too long with its operators: Istio takes a regex of {REGEX_MAX_LENGTH:,} characters"
)

_path = re.compile(PATH).fullmatch
_unreserved = re.compile(UNRESERVED).search


def parse(value: object) -> Path:
    """A pattern that Istio, Envoy and the authorizer all read as one and the same."""
    if isinstance(value, str) and (len(value) > PATH_MAX_LENGTH or value.count("/") > SEGMENTS_MAX):
        raise ValueError(PATH_TOO_LONG)
    if not isinstance(value, str) or not _path(value):
        raise ValueError(NOT_A_PATH)
    operators = re.findall(r"\{\*+\}", value)
    if len(operators) > OPERATORS_MAX:
        raise ValueError(MANY_OPERATORS)
    if operators.count("{**}") > 1:
        raise ValueError(OPEN_TWICE)
    if "{**}" in operators[:-1]:
        raise ValueError(OPEN_NOT_LAST)
    segments = {segment.partition(";")[0] for segment in value.split("/")}  # Envoy resolves `..;x` too
    if {".", ".."} & segments or _unreserved(value):
        raise ValueError(RESOLVED)
    parsed = paths.parse(value)
    if parsed.kind is Kind.TEMPLATE and "//" in value:
        raise ValueError(EMPTY_SEGMENT)
    if parsed.kind is Kind.TEMPLATE and len(parsed.regex) > REGEX_MAX_LENGTH:
        raise ValueError(LONG_REGEX)
    return parsed
