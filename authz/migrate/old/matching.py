"""Whether an old rule's path is one of a pattern's, as Oathkeeper compares them: decoded, and as a whole.

For making requests and for naming the cause of a difference; whether one may pass is for Oathkeeper to say.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote

from authz.migrate.old.rule import Pattern

_KEPT = 4_096  # patterns of one run

_parts = re.compile(r"<((?:[^<>]|\(\?<[=!])*)>|([^<]+)|(<)").findall
_glob = re.compile(r"\*\*|[*?{},]|\[(!?)([^\]]*)\]|\\?(.)", re.DOTALL)


def matches(pattern: Pattern, path: str, *, decoded: bool = True) -> bool:
    """`path` as it stands in a request, without its query."""
    compiled = _matcher(pattern)
    return compiled is not None and compiled(unquote(path) if decoded else path) is not None


def regex(pattern: Pattern) -> str:
    """The pattern as a regular expression for the whole path, in the words of Python."""
    match pattern.strategy:
        case "regex":
            return pattern.text
        case "oathkeeper":
            return _angled(pattern.text, lambda inside: f"(?:{inside})")
        case "glob":
            return _angled(pattern.text, _of_glob)


@lru_cache(_KEPT)
def _matcher(pattern: Pattern) -> Callable[[str], object] | None:
    try:
        return re.compile(regex(pattern)).fullmatch
    except re.error:  # Oathkeeper's engine knows some that Python does not
        return None


def _angled(text: str, inside: Callable[[str], str]) -> str:
    return "".join(
        inside(within) if not (plain or stray) else re.escape(plain or stray)
        for within, plain, stray in _parts(text)
    )


def _of_glob(text: str) -> str:
    """`*` and `?` stop at slashes and dots."""
    depth, made = 0, ""
    for found in _glob.finditer(text):
        sign = found[0]
        if sign == "{":
            depth, made = depth + 1, made + "(?:"
        elif sign == "}" and depth:
            depth, made = depth - 1, made + ")"
        elif sign == "," and depth:
            made += "|"
        elif found[2] is not None:
            made += f"[{'^' if found[1] else ''}{found[2]}]"
        else:
            made += {"**": ".*", "*": "[^./]*", "?": "[^./]"}.get(sign) or re.escape(found[3] or sign)
    return made
