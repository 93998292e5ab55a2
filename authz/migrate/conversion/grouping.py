"""Which old rules stand together: an APIRule's do, and of Oathkeeper's rules those of one host."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from authz.istio.hosts import below, is_wildcard
from authz.migrate.conversion import fields, hosts
from authz.migrate.conversion.judging import Judged
from authz.migrate.conversion.model.access import slug
from authz.migrate.conversion.model.choices import Choices
from authz.migrate.conversion.model.made import Made
from authz.migrate.language.node import Undecided
from authz.migrate.old.rule import Old, Pattern
from authz.migrate.report.rows import Contrast, Ledger

NAME_MAX_LENGTH = 63
_NOT_OURS = ("kubectl.kubernetes.io/last-applied-configuration", "gateway.kyma-project.io/")


@dataclass(frozen=True, slots=True)
class Group:
    """What becomes one APIRule. The first of its `ledgers` is told of what concerns all of it."""

    name: str
    namespace: str
    host: str
    gateway: str
    made: tuple[Made, ...]
    ledgers: tuple[Ledger, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    cors: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        """Of its first document."""
        return self.ledgers[0]

    def about(self, old: Old) -> Ledger:
        """Where rows about that rule belong."""
        return next(one for one in self.ledgers if one.origin == old.origin).about(old.index)

    @property
    def is_open(self) -> bool:
        """True while anything of it waits: a part of it alone could let its requests pass to another rule."""
        return any(ledger.waits for ledger in self.ledgers) or not (self.host and self.gateway and self.made)


def groups(judged: Iterable[Judged], choices: Choices, cors: Mapping[str, Any]) -> list[Group]:
    """In the order of their first documents. `cors` is that of Oathkeeper's proxy."""
    found = list(judged)
    own = [
        _of_apirule(one, choices) for one in found if one.object.origin.kind == "APIRule" and one.object.rules
    ]
    others = [one for one in found if one.object.origin.kind != "APIRule"]
    return [*own, *_of_hosts(others, choices, cors)]


def _of_apirule(one: Judged, choices: Choices) -> Group:
    first, origin, ledger = one.object.rules[0], one.object.origin, one.ledger
    at = "spec.host" if "host" in (one.object.body.get("spec") or {}) else "spec.service.host"
    written = one.object.body.get("metadata") or {}
    kept = {name: _kept(written.get(name)) for name in ("labels", "annotations")}
    return Group(
        origin.name,
        origin.namespace,
        fields.host(first.hosts[0].text, ledger, at),
        fields.gateway(first, origin.namespace, choices, ledger),
        one.made,
        (ledger,),
        {name: values for name, values in kept.items() if values},
        fields.cors(first.cors, ledger),
    )


def _kept(values: Any) -> dict[str, Any]:
    """Of labels and annotations, those that are not Kyma's or kubectl's own."""
    held = values if isinstance(values, Mapping) else {}
    return {name: value for name, value in held.items() if not str(name).startswith(_NOT_OURS)}


def _of_hosts(found: list[Judged], choices: Choices, cors: Mapping[str, Any]) -> Iterator[Group]:
    """Whatever an undecided rule may match waits with it."""
    by_host: dict[tuple[str, str], list[Judged]] = {}
    homes: dict[str, str] = {}
    for one in found:
        _check_hosts(one, choices)
        for host in _hosts(one, choices):
            by_host.setdefault((_namespace(one, host, homes, choices), host), []).append(one)
    wild = {host: members for (_, host), members in by_host.items() if is_wildcard(host)}
    patterns = _by_pattern(found)
    for (namespace, host), named in by_host.items():
        first, members = named[0], _all_of(host, named, wild, patterns)
        is_single = len(members) == 1 and len(_hosts(first, choices)) == 1
        yield Group(
            slug(first.object.origin.name if is_single else host)[:NAME_MAX_LENGTH].strip("-"),
            namespace,
            _host(host, first.ledger) if first.object.rules[0].schemes else "",
            fields.gateway(first.object.rules[0], namespace, choices, first.ledger),
            tuple(rule for one in members for rule in one.made),
            tuple(one.ledger for one in members),
            cors=cors,
        )


def _by_pattern(found: Iterable[Judged]) -> dict[Pattern, list[Judged]]:
    """Those whose hosts are a pattern, whatever hosts somebody has named for it."""
    by_pattern: dict[Pattern, list[Judged]] = {}
    for one in found:
        for pattern in one.object.rules[0].hosts:
            if "<" in pattern.text:
                by_pattern.setdefault(pattern, []).append(one)
    return by_pattern


def _all_of(
    host: str,
    named: list[Judged],
    wild: Mapping[str, list[Judged]],
    patterns: Mapping[Pattern, list[Judged]],
) -> list[Judged]:
    """And whose pattern the host is of, `<.*>` or `*.example.com`: their rules hold for it too."""
    found = [one for other, members in wild.items() if below(other, [host]) for one in members]
    found += [one for pattern, members in patterns.items() if hosts.may_be(host, pattern) for one in members]
    return list({id(one): one for one in (*named, *found)}.values())


def _check_hosts(one: Judged, choices: Choices) -> None:
    """What somebody has named for a pattern is of it: else its rules would hold where they never did."""
    rule = one.object.rules[0]
    for pattern in rule.hosts:
        named = choices.hosts.get(pattern.text, ())
        if named:
            message = "The pattern is of more hosts than those that you have named; no others are served."
            one.ledger.narrowed(rule.path_at, "hosts-named", message, Contrast(pattern.text, named))
        for said in named:
            if not hosts.may_be(said, pattern):
                question = f"Which hosts are {pattern.text}? {said} is none of them."
                answer = f"--host '{pattern.text}=HOST,HOST'"
                one.ledger.ask(rule.path_at, question, answer, old=said, code="hosts")


def _host(written: str, ledger: Ledger) -> str:
    at = "match.url" if ledger.origin.kind == "access rule" else "spec.match.url"
    if "<" in written or ":" in written or not written:
        question = f"Which hosts are {written or 'any'}? An APIRule names them."
        ledger.ask(at, question, f"--host '{written}=HOST,HOST'", old=written, code="hosts")
        return ""
    return fields.host(written, ledger, at)


def _namespace(one: Judged, host: str, homes: dict[str, str], choices: Choices) -> str:
    """Access rules have none: that of the first Service of their host, where each says its own."""
    said = one.object.origin.namespace or choices.namespace
    upstream = one.object.rules[0].upstream.namespace
    return said or (homes.setdefault(host, upstream) if upstream else "default")


def _hosts(one: Judged, choices: Choices) -> tuple[str, ...]:
    return tuple(
        said
        for pattern in one.object.rules[0].hosts
        for said in choices.hosts.get(pattern.text) or _same(pattern)
    )


def _same(pattern: Pattern) -> tuple[str, ...]:
    """The hosts of a pattern, or the pattern itself where they can not be listed, or have a port."""
    if ":" in pattern.text.rpartition(">")[2]:
        return (pattern.text,)
    try:
        return hosts.convert(pattern).names or (pattern.text,)
    except Undecided:
        return (pattern.text,)
