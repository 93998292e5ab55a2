"""An APIRule, parsed: every mistake that can be seen without a cluster is found, all at once.

What `parse` returns can be trusted; what it refuses is explained in its author's own terms.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from pydantic import ValidationError

from authz.core import path as paths
from authz.istio import migration, precedence, syntax, wording
from authz.istio.migration import Migration
from authz.istio.model import Model
from authz.istio.problem import Invalid, Problem
from authz.istio.schema import Metadata, Rule, Spec

GROUP = migration.GROUP

_CONFLICT = "Path {} with method {} conflicts with at least one of the previous rule paths (spec.rules[{}])"

_Numbered = tuple[int, Rule]
_Known = dict[str, object]  # an issuer, to its keys and where its tokens are looked for


class APIRule(Model):
    """The document. `status` is the controller's to write."""

    api_version: Literal["gateway.kyma-project.io/v2", "gateway.kyma-project.io/v2alpha1"]
    kind: Literal["APIRule"]
    metadata: Metadata
    spec: Spec
    status: Any = None

    @property
    def name(self) -> str:
        """Of the object; the virtual service bears it too."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """Where the virtual service goes, and services that name no namespace are looked for."""
        return self.metadata.namespace

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def migration(self) -> Migration | None:
        """None unless it is on its way from ORY."""
        return migration.read(self.metadata.annotations, self.namespace)

    @property
    def seniority(self) -> tuple[str, str]:
        """Sort key: the older APIRule keeps a host; without a timestamp, the first by namespace/name."""
        return self.metadata.creation_timestamp or "unknown", self.key


def parse(document: Mapping[str, Any]) -> APIRule:
    """Raises Invalid with every problem."""
    if document.get("apiVersion") == f"{GROUP}/v1beta1":
        raise Invalid([Problem("apiVersion", "v1beta1 is not read; write it as v2")])
    try:
        apirule = APIRule.model_validate(document)
    except ValidationError as error:
        readable = list(_readable(document))
        raise Invalid([*wording.problems(error, _fields()), *_among(readable)]) from error
    if problems := [*_migration(apirule), *_problems(apirule.spec)]:
        raise Invalid(problems)
    return apirule


def _migration(apirule: APIRule) -> Iterator[Problem]:
    try:
        migration.read(apirule.metadata.annotations, apirule.namespace)
    except LookupError as error:
        name, message = error.args
        yield Problem(f"metadata.annotations[{name}]", message)


def _problems(spec: Spec) -> Iterator[Problem]:
    rules = list(enumerate(spec.rules))
    yield from _serviceless(spec, rules)
    yield from _among(rules)
    yield from _unreachable(spec, rules)


def _readable(document: Mapping[str, Any]) -> Iterator[_Numbered]:
    """The rules that are right by themselves, so that one mistake does not hide the others."""
    spec = document.get("spec")
    rules = spec.get("rules") if isinstance(spec, Mapping) else None
    for index, rule in enumerate(rules[: syntax.RULES_MAX] if isinstance(rules, list) else ()):
        with suppress(ValidationError):
            yield index, Rule.model_validate(rule)


def _fields() -> set[str]:
    models = Model.__subclasses__()
    return {str(field.alias) for model in models for field in model.model_fields.values()}


def _among(rules: Sequence[_Numbered]) -> Iterator[Problem]:
    known: _Known = {}
    for position, (index, rule) in enumerate(rules):
        yield from _conflicts(index, rule, rules[:position])
        yield from _contradictions(index, rule, known)


def _conflicts(index: int, rule: Rule, before: Sequence[_Numbered]) -> Iterator[Problem]:
    claimed: dict[str, int] = {}
    for earlier, other in before:
        shared = [method for method in other.methods if method in rule.methods]
        if shared and precedence.covers(other.path, rule.path):
            claimed = dict.fromkeys(shared, earlier) | claimed
    for method in rule.methods:
        if method in claimed:
            yield _problem(index, "path", _CONFLICT.format(rule.path, method, claimed[method]))


def _contradictions(index: int, rule: Rule, known: _Known) -> Iterator[Problem]:
    """An issuer has one set of keys and one place for its tokens, or Istio would take any of them."""
    for position, issuer in enumerate(rule.authentications):
        if known.setdefault(issuer.issuer, issuer.terms) != issuer.terms:
            message = "multiple jwt configurations that differ for the same issuer"
            yield _problem(index, f"{rule.tokens_field}.authentications[{position}]", message)


def _serviceless(spec: Spec, rules: Iterable[_Numbered]) -> Iterator[Problem]:
    for index, rule in rules:
        if not (rule.service or spec.service):
            yield _problem(index, "service", syntax.SERVICELESS)


def _unreachable(spec: Spec, rules: Iterable[_Numbered]) -> Iterator[Problem]:
    message = "No request reaches this path: ambiguous paths are rejected (see spec.ambiguousPaths)"
    for index, rule in rules if spec.rejects_ambiguous else ():
        literal = str(rule.path).replace("{**}", "x").replace("{*}", "x")
        if paths.is_ambiguous(literal):
            yield _problem(index, "path", message)


def _problem(index: int, field: str, message: str) -> Problem:
    return Problem(f"spec.rules[{index}].{field}", message)
