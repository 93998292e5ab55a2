"""What to try of each old rule: its hosts, paths of the old pattern and the new, places of tokens."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from authz.core.policy import Jwt, Policy, Rule
from authz.migrate.old import matching
from authz.migrate.old.rule import Handler, Old, Pattern, Settings
from authz.migrate.verification import samples
from authz.migrate.verification.requests import BEARER, Place, Subject

OF_EACH = 6  # paths of which the surroundings are tried


def subjects(rules: Iterable[Old], settings: Settings | None, policy: Policy, seed: int) -> Iterator[Subject]:
    """In the order of the rules; none of a rule whose host is a pattern."""
    for rule in rules:
        if hosts := tuple(host.text.lower() for host in rule.hosts if host.text and "<" not in host.text):
            random = Random(f"{seed} {rule.origin} {rule.at}")  # noqa: S311  # no secret is made
            inside = samples.of(rule.path, random)
            new = dict.fromkeys(_new(hosts, policy))
            yield Subject(
                rule,
                hosts,
                tuple(inside or new or ("/",)),
                tuple(dict.fromkeys([*new, *samples.around([*inside[:OF_EACH], *list(new)[:OF_EACH]])])),
                tuple(dict.fromkeys([BEARER, *_places(rule, settings)])),
                frozenset(_issuers(rule, hosts, policy)),
            )


def completed(rules: Iterable[Old], policy: Policy) -> list[Old]:
    """With hosts in full: what is short is the new one that begins with it, a pattern those of it."""
    return [replace(rule, hosts=tuple(_hosts(rule, policy)) or rule.hosts) for rule in rules]


def _hosts(rule: Old, policy: Policy) -> Iterator[Pattern]:
    for host in rule.hosts:
        if "<" in host.text:  # somebody has named some, or a wildcard is the same
            yield from (Pattern(one, host.strategy) for one in _of_pattern(host, policy))
            continue
        short = host.text.lower() + "."
        is_full = "." in host.text
        longer = [] if is_full else [one for one in policy.hosts if one.startswith(short)]
        yield from (Pattern(one, host.strategy) for one in longer or [host.text])


def _of_pattern(pattern: Pattern, policy: Policy) -> Iterator[str]:
    """The new hosts that are of it; of a wildcard one below it."""
    names = (name.replace("*", "x", 1) for name in policy.hosts)
    return (name for name in names if matching.matches(pattern, name, decoded=False))


def _new(hosts: Iterable[str], policy: Policy) -> Iterator[str]:
    for name in hosts:
        for rule in _rules(name, policy):
            yield from samples.of_template(rule.path)


def _rules(name: str, policy: Policy) -> tuple[Rule, ...]:
    """The new ones of a host, or of the wildcard above it."""
    found = policy.hosts.get(name) or policy.hosts.get(f"*.{name.partition('.')[2]}")
    return found.rules if found else ()


def _places(rule: Old, settings: Settings | None) -> Iterator[Place]:
    for handler in rule.authenticators:
        where = _setting(handler, settings, "token_from")
        if not isinstance(where, Mapping):
            continue
        if header := where.get("header"):
            yield BEARER if str(header).lower() == "authorization" else Place("header", str(header).lower())
        elif parameter := where.get("query_parameter"):
            yield Place("query", str(parameter))
        elif cookie := where.get("cookie"):
            yield Place("cookie", str(cookie))


def _issuers(rule: Old, hosts: Iterable[str], policy: Policy) -> Iterator[str]:
    """Those that the rule trusts, and those of the new rules for its hosts."""
    for handler in rule.authenticators:
        named = handler.config.get("trusted_issuers")
        yield from map(str, named if isinstance(named, list) else ())
    for name in hosts:
        for new in _rules(name, policy):
            for check in new.checks:
                yield from (one.issuer for one in check.authorizer.accept if isinstance(one, Jwt))


def _setting(handler: Handler, settings: Settings | None, name: str) -> Any:
    if name in handler.config:
        return handler.config[name]
    found = settings.authenticators.get(handler.name, {}) if settings else {}
    config = found.get("config")
    return config.get(name) if isinstance(config, Mapping) else None
