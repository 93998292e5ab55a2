"""Old rules that stand together become one APIRule: in order, with what they share said once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from authz.istio import apirule, precedence, syntax
from authz.istio.problem import Invalid
from authz.migrate.conversion import authorizers
from authz.migrate.conversion.grouping import Group
from authz.migrate.conversion.model.made import Made, Rule
from authz.migrate.conversion.together import deciding, encoded, order, passed_on, spanning
from authz.migrate.language import budget
from authz.migrate.paths import patterns
from authz.migrate.report.rows import About, Contrast, Ledger

Document = dict[str, Any]

COMPARED_MAX = 5 * syntax.RULES_MAX  # each beside each; some of them may be the same
TIMEOUT_S = 180  # what an APIRule says where it says nothing, then and now


@dataclass(frozen=True, slots=True)
class Built:
    """An APIRule, and of each of its rules the old one that it comes from."""

    document: Document
    rules: tuple[Rule, ...]


def by_authorizer(made: Iterable[Made]) -> frozenset[str]:
    """The workloads where our authorizer checks all tokens.

    Where a workload has a RequestAuthentication, the mesh refuses a token that it does not know on any path.
    Where callers show something else, or nothing, that would refuse who passed before.
    """
    found: dict[str, list[Made]] = {}
    for one in made:
        found.setdefault(one.workload, []).append(one)
    return frozenset(workload for workload, rules in found.items() if _needs_authorizer(rules))


def is_ours(made: Made, ours: frozenset[str]) -> bool:
    """True if an authorizer of ours decides the rule."""
    return made.is_checked and not (made.fits_mesh and _stays_in_mesh(made, ours))


def build(group: Group, ours: frozenset[str]) -> Built | None:
    """None where a person has to decide first."""
    ledger = group.ledger
    if (count := sum(len(made.templates) for made in group.made)) > COMPARED_MAX:
        _ask_to_divide(group, count)
        return None
    with budget.limited(budget.HOST_MAX):
        arranged = _arranged(group)
    if group.is_open or not arranged:
        return None
    if len(arranged) > syntax.RULES_MAX:
        _ask_to_divide(group, len(arranged))
        return None
    document = _document(group, arranged, ours)
    try:
        parsed = apirule.parse(document)
    except Invalid as invalid:
        for problem in invalid.problems:
            question = f"The new rule would not be valid: {problem}. What shall stand there?"
            ledger.ask(f"new: {problem.path}", question, "edit the old rule")
        return None
    if parsed.spec.rejects_ambiguous:
        _tell_ambiguous(arranged, ledger)
    _tell_new(document["spec"]["rules"], arranged, group)
    return Built(document, tuple(arranged))


def _arranged(group: Group) -> list[Rule]:
    """What is not shut, in order, with a row for whatever two rules have in common."""
    rules = [rule for made in group.made for rule in Rule.of(made)]
    _tell_shut(rules, group.about)
    arranged = order.arranged([rule for rule in rules if not rule.made.is_shut], group.about)
    guarded = passed_on.refused(arranged, group.about)
    deciding.tell(group.made, guarded, group.about)
    encoded.tell(group.made, group.about)
    spanning.tell(group.host, group.made, group.about)
    return guarded


def _ask_to_divide(group: Group, count: int) -> None:
    question = (
        f"How shall {group.host} be divided? Its old rules become {count:,} rules, and an APIRule has "
        f"{syntax.RULES_MAX} at most."
    )
    answer = "write paths that the same callers may use as one pattern, or move some to another host"
    group.ledger.ask("new: spec.rules", question, answer, code="many")


def _tell_ambiguous(rules: Sequence[Rule], ledger: Ledger) -> None:
    """What would be let pass with them: Oathkeeper decoded a path before it compared."""
    extra = next(filter(None, map(_only_new, rules)), "")
    beyond = f", and with them {extra}, which the old path did not match" if extra else ""
    message = (
        "Paths that two programs read differently (//, ;, %2F and the like) get 400, for this host mixes "
        f"kinds of access or services. spec.ambiguousPaths: Allow lets them pass{beyond}, and an encoded "
        "path too that Oathkeeper refused when it had decoded it, such as /public/..%2Fadmin."
    )
    witness = f"{rules[0].methods[0]} {extra or '/a//b'}"
    ledger.narrowed("new: spec.ambiguousPaths", "ambiguous-paths", message, Contrast(witness=witness))


def _only_new(rule: Rule) -> str:
    """An ambiguous path that the templates match and the old path did not."""
    old = rule.made.old.path
    found = patterns.convert(old.text, old.strategy)
    return (found.templates == rule.made.templates and found.difference.odd_extra) or ""


def _tell_new(written: list[Document], rules: list[Rule], group: Group) -> None:
    """What each rule is now, beside what it was."""
    for index, (new, rule) in enumerate(zip(written, rules, strict=True)):
        old = rule.made.old
        by = (
            ", ".join(new["extAuth"]["authorizers"])
            if "extAuth" in new
            else "jwt"
            if "jwt" in new
            else "noAuth"
        )
        said = f"{', '.join(new['methods'])} {new['path']}: {by}"
        place = f"new: spec.rules[{index}]"
        group.about(old).kept(place, "The new rule.", old=", ".join(old.handlers), new=said)


def _needs_authorizer(rules: list[Made]) -> bool:
    if any(one.is_checked and not one.fits_mesh for one in rules):
        return True
    return any(one.is_public for one in rules) and any(one.ways and not one.by_mesh for one in rules)


def _stays_in_mesh(made: Made, ours: frozenset[str]) -> bool:
    return made.workload not in ours or not all(way.accept for way in made.ways)


def _tell_shut(rules: list[Rule], about: About) -> None:
    """What nobody may use has no rule; unless another would let its requests pass."""
    for shut in (rule for rule in rules if rule.made.is_shut):
        for other in rules:
            if not other.made.is_shut and (order.meets(shut, other) or _takes_methods(shut, other)):
                old = shut.made.old
                question = (
                    f"Nobody may use {shut.template}, but {other.made.old.named_beside(old)} would let its "
                    "requests pass. Who may?"
                )
                about(old).ask(old.path_at, question, "take the path out of the other rule", code="shut")


def _takes_methods(shut: Rule, other: Rule) -> bool:
    """Kyma's route to Oathkeeper took all methods of the path; without it this rule has the others."""
    led = shut.made.old.by_oathkeeper and not other.made.old.by_oathkeeper
    return led and precedence.overlaps(shut.path, other.path)


def _document(group: Group, rules: list[Rule], ours: frozenset[str]) -> Document:
    services = [rule.made.service_in(group.namespace) for rule in rules]
    times = [rule.made.old.timeout_s or TIMEOUT_S for rule in rules]
    service = services[0] if all(one == services[0] for one in services) else None
    timeout = times[0] if len(set(times)) == 1 else None
    spec: Document = {"hosts": [group.host], "gateway": group.gateway}
    spec |= {"service": dict(service)} if service else {}
    spec |= {"timeout": timeout} if timeout not in (None, TIMEOUT_S) else {}
    spec |= {"corsPolicy": dict(group.cors)} if group.cors else {}
    spec["rules"] = [
        _rule(rule, ours)
        | ({} if service else {"service": own})
        | _own(rule, is_one_time=timeout is not None)
        for rule, own in zip(rules, services, strict=True)
    ]
    metadata = {"name": group.name, "namespace": group.namespace} | dict(group.metadata)
    return {"apiVersion": "gateway.kyma-project.io/v2", "kind": "APIRule", "metadata": metadata, "spec": spec}


def _rule(rule: Rule, ours: frozenset[str]) -> Document:
    made: Document = {"path": rule.template, "methods": list(rule.methods)}
    if rule.made.is_public:
        return made | {"noAuth": True}
    if rule.made.is_shut or is_ours(rule.made, ours):
        return made | {"extAuth": {"authorizers": [authorizers.entry(rule.made)["name"]]}}
    return made | {"jwt": dict(rule.made.ways[0].mesh)}


def _own(rule: Rule, *, is_one_time: bool) -> Document:
    added, made = rule.made.added, Document()
    if not is_one_time:
        made["timeout"] = rule.made.old.timeout_s or TIMEOUT_S
    request = {"headers": dict(added.headers), "cookies": dict(added.cookies)}
    if any(request.values()):
        made["request"] = {name: values for name, values in request.items() if values}
    return made
