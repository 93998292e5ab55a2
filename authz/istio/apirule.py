"""An APIRule, parsed: every mistake that can be seen without a cluster is found, all at once.

What `parse` returns can be trusted; what it refuses is explained in its author's own terms.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from authz.core import path as paths
from authz.istio import precedence
from authz.istio.problem import Invalid, Problem, did_you_mean
from authz.istio.schema import Metadata, Model, Rule, Spec

GROUP = "gateway.kyma-project.io"

_CONFLICT = "Path {} with method {} conflicts with at least one of the previous rule paths"

_Numbered = tuple[int, Rule]


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
    def seniority(self) -> tuple[str, str]:
        """Where two want the same thing, the lesser keeps it: the elder, then the first by name."""
        return self.metadata.creation_timestamp or "unknown", self.key


def parse(document: Mapping[str, Any]) -> APIRule:
    """Raises Invalid with every problem."""
    if document.get("apiVersion") == f"{GROUP}/v1beta1":
        message = "v1beta1 is not read here, `authz migrate convert` turns it into version v2"
        raise Invalid([Problem("apiVersion", message)])
    try:
        rule = APIRule.model_validate(document)
    except ValidationError as error:
        readable = list(_readable(document))
        raise Invalid([*map(_explain, error.errors()), *_among(readable)]) from error
    rules = list(enumerate(rule.spec.rules))
    if problems := [*_serviceless(rule.spec, rules), *_among(rules), *_unreachable(rule.spec, rules)]:
        raise Invalid(problems)
    return rule


def _readable(document: Mapping[str, Any]) -> Iterator[_Numbered]:
    """The rules that are right by themselves, so that one mistake does not hide the others."""
    spec = document.get("spec")
    rules = spec.get("rules") if isinstance(spec, Mapping) else None
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        with suppress(ValidationError):
            yield index, Rule.model_validate(rule)


def _explain(error: ErrorDetails) -> Problem:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    return Problem(path.removeprefix("."), _message(error))


def _message(error: ErrorDetails) -> str:
    match error["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "unknown field" + did_you_mean(str(error["loc"][-1]), _fields())
        case "tuple_type":
            return "Input should be a valid list"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            return error["msg"]


def _fields() -> Iterable[str]:
    models = Model.__subclasses__()
    return {str(field.alias) for model in models for field in model.model_fields.values()}


def _among(rules: Sequence[_Numbered]) -> Iterator[Problem]:
    for position, (index, rule) in enumerate(rules):
        before = [other for _, other in rules[:position]]
        yield from _conflicts(index, rule, before)
        yield from _contradictions(index, rule, before)


def _conflicts(index: int, rule: Rule, before: Sequence[Rule]) -> Iterator[Problem]:
    covering = [other for other in before if precedence.covers(other.path, rule.path)]
    claimed = {method for other in covering for method in other.methods}
    for method in rule.methods:
        if method in claimed:
            yield _problem(index, "path", _CONFLICT.format(rule.path, method))


def _contradictions(index: int, rule: Rule, before: Sequence[Rule]) -> Iterator[Problem]:
    """One issuer's tokens are looked for in one place, or Istio would take any of them."""
    field = "jwt" if rule.jwt else "extAuth.restrictions"
    known = {one.keys: one.source for other in before for one in other.authentications}
    for position, one in enumerate(rule.authentications):
        if known.setdefault(one.keys, one.source) != one.source:
            message = "multiple jwt configurations that differ for the same issuer"
            yield _problem(index, f"{field}.authentications[{position}]", message)


def _serviceless(spec: Spec, rules: Iterable[_Numbered]) -> Iterator[Problem]:
    message = "The rule must define a service, because no service is defined on spec level"
    for index, rule in rules:
        if not (rule.service or spec.service):
            yield _problem(index, "service", message)


def _unreachable(spec: Spec, rules: Iterable[_Numbered]) -> Iterator[Problem]:
    message = "No request reaches this path: ambiguous paths are rejected (see spec.ambiguousPaths)"
    for index, rule in rules:
        literal = str(rule.path).replace("{**}", "x").replace("{*}", "x")
        if spec.rejects_ambiguous and paths.is_ambiguous(literal):
            yield _problem(index, "path", message)


def _problem(index: int, field: str, message: str) -> Problem:
    return Problem(f"spec.rules[{index}].{field}", message)
