"""Whether the scopes of a token grant those that are asked for: to the letter, or by ORY's two other ways.

Both read a scope as words between dots, and were Oathkeeper's; a token without such scopes gains nothing.
"""

from collections.abc import Callable
from functools import lru_cache

from authz.core.policy import ScopeStrategy

WANTED_MAX = 256  # scopes taken apart, remembered: those of the configuration

_EVERYTHING = "*"


def grant(having: frozenset[str], wanted: frozenset[str], strategy: ScopeStrategy) -> bool:
    """True if each that is wanted is granted by one of those at hand."""
    if wanted <= having:
        return True
    if strategy == "exact":
        return False
    grants = _GRANTS[strategy]
    return all(any(grants(one.split("."), _words(asked)) for one in having) for asked in wanted)


def _below(granted: list[str], asked: list[str]) -> bool:
    """hierarchic: `shop` grants `shop.read`, and itself."""
    return granted == asked[: len(granted)]


def _fits(granted: list[str], asked: list[str]) -> bool:
    """wildcard: `shop.*` grants `shop.read` and `shop.read.all`, `*.read` grants `shop.read`.

    A star stands for one word that is not empty; at the end, for that and all that follow.
    """
    if len(granted) > len(asked) or (len(granted) < len(asked) and granted[-1] != _EVERYTHING):
        return False
    pairs = zip(granted, asked, strict=False)
    return all((one == _EVERYTHING and other != "") or one == other for one, other in pairs)


@lru_cache(WANTED_MAX)
def _words(scope: str) -> list[str]:
    return scope.split(".")


_GRANTS: dict[ScopeStrategy, Callable[[list[str], list[str]], bool]] = {
    "hierarchic": _below,
    "wildcard": _fits,
}
