"""What Kyma's gateway and Oathkeeper decided, told anew in a few lines: an oracle for conversions.

It shares nothing with the conversion but the reading of documents. `test_oathkeeper` and `test_differential`
hold the same facts against the real one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import re2

from authz.migrate.old.rule import Handler, Old


@dataclass(frozen=True, slots=True)
class Shown:
    """In Authorization: `kind` is nothing, other, opaque, or a good token with `scopes`.

    `beside` is in X-Token: nothing, opaque, or a good token without scopes.
    """

    kind: str
    scopes: tuple[str, ...] = ()
    beside: str = "nothing"

    @property
    def is_token(self) -> bool:
        return self.kind == "token"


def passes(rules: Sequence[Old], method: str, host: str, path: str, shown: Shown) -> bool:
    """True if the workload was asked."""
    own = [rule for rule in rules if rule.origin.kind == "APIRule" and rule.hosts[0].text == host]
    if not own:
        return _oathkeeper(rules, method, host, path, shown)
    route = _route(own, method, path)
    if route is None:
        return False
    if route.by_oathkeeper:
        return _oathkeeper(rules, method, host, path, shown)
    if not route.by_mesh:
        return True
    listed = [rule for rule in own if not rule.by_oathkeeper and method in rule.methods]
    there = [rule for rule in listed if re2.fullmatch(rule.path.text, path)]
    return any(shown.is_token or not rule.by_mesh for rule in there)  # ALLOW policies add up


def _route(rules: Sequence[Old], method: str, path: str) -> Old | None:
    """Of two rules with one path, the first made the route."""
    first = {rule.path.text: rule for rule in reversed(rules)}
    for rule in rules:
        takes = method in rule.methods or "no_auth" not in rule.handlers
        if first[rule.path.text] is rule and takes and re2.fullmatch(rule.path.text, path):
            return rule
    return None


def _oathkeeper(rules: Sequence[Old], method: str, host: str, path: str, shown: Shown) -> bool:
    """What is decoded has to match. Where two rules did it answered 500: what both let pass may pass."""
    asked = [rule for rule in rules if rule.by_oathkeeper and method in rule.methods]
    verdicts = [_lets(rule, shown) for rule in asked if _is_at(rule, host, unquote(path))]
    return bool(verdicts) and all(verdicts)


def _lets(rule: Old, shown: Shown) -> bool:
    if rule.authorizer.name != "allow":
        return False
    answers = (_answer(handler, shown) for handler in rule.authenticators)
    return next((answer for answer in answers if answer is not None), False)


def _is_at(rule: Old, host: str, path: str) -> bool:
    there = rule.path.text
    angled = there if rule.origin.kind != "APIRule" else f"<{there}>"
    return _is(angled, path) and any(_is(one.text, host) for one in rule.hosts)


def _is(angled: str, text: str) -> bool:
    parts = re.split(r"<((?:[^<>]|\(\?<[!=])*)>", angled)
    whole = "".join(f"(?:{part})" if at % 2 else re.escape(part) for at, part in enumerate(parts))
    return re.fullmatch(whole, text, re.DOTALL) is not None


def _answer(handler: Handler, shown: Shown) -> bool | None:
    """None where the next one is asked."""
    match handler.name:
        case "noop":
            return True
        case "unauthorized":
            return False
        case "anonymous":
            return True if shown.kind == "nothing" else None
        case "jwt":
            if "token_from" in handler.config:
                return True if shown.beside == "token" else None
            wanted = handler.config.get("required_scope", ())
            return set(wanted) <= set(shown.scopes) if shown.is_token else None
        case name:
            raise AssertionError(name)
