"""Oathkeeper's mutators: what was added to requests becomes headers, cookies, claims in headers, a token.

A template is taken over where its meaning is plain; any other is a question.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from authz.istio import headers as istio_headers
from authz.migrate.conversion.model.access import Case
from authz.migrate.conversion.model.added import Added
from authz.migrate.conversion.pipeline import go_templates, id_tokens, schemas
from authz.migrate.conversion.pipeline.go_templates import Text
from authz.values import HYPHENS_MAX

_OF_REQUEST = ".MatchContext"  # what Oathkeeper's templates call the request, not its caller
_claim_header = re.compile(r"[a-z0-9!#$%&'*+.^`|~-]+").fullmatch


def convert(cases: Iterable[Case]) -> Added:
    """All mutators of a rule, in their order."""
    added = Added()
    for case in cases:
        known = MUTATORS.get(case.handler.name)
        if known is None:
            question = "A mutator that neither Oathkeeper nor Kyma has. What is added to requests?"
            case.ledger.ask(
                case.at(), question, f"edit the rule: one of {', '.join(MUTATORS)}", case.handler.name
            )
            continue
        case.ledger.kept(case.at(), known.new, old=case.handler.name)
        if schemas.hold(case):
            added = added.joined(known.convert(case))
    return added


def _noop(_: Case) -> Added:
    return Added()


def _header(case: Case) -> Added:
    written = case.get("headers")
    added = Added()
    for name, template in written.items() if isinstance(written, Mapping) else ():
        added = added.joined(_one_header(case, str(name), str(template)))
    return added


def _one_header(case: Case, name: str, template: str) -> Added:
    at = f"{_at(case, 'headers', name)}"
    if case.by_mesh or "{{" not in template:
        value = template if case.by_mesh else template.replace("%", "%%")  # to Envoy, a % starts a command
        if problem := _refused(name, value):
            case.ledger.ask(
                at, f"The header {name} {problem} Does the workload need it?", f"edit {at}", old=template
            )
            return Added()
        case.ledger.kept(at, "Set on each request.", old=template, new=f"request.headers.{name}: {value}")
        return Added(headers={name: value})
    return _of_caller(case, at, name, template)


def _of_caller(case: Case, at: str, name: str, template: str) -> Added:
    said = go_templates.meant(template, case.access)
    if said is None and _OF_REQUEST in template:
        question = f"Does the workload need {name}? It was a part of the request, which the workload has."
        case.ledger.ask(at, question, f"take {at} out of the rule", template)
        return Added()
    if said is None:
        question = (
            f"Which claim of the caller's does the workload read in {name}? This template says more than one."
        )
        answer = f"edit {at}: {{{{ print .Subject }}}} or {{{{ print .Extra.CLAIM }}}}"
        case.ledger.ask(at, question, answer, template)
        return Added()
    if isinstance(said, Text):
        return _of_everyone(case, at, name, Replaced(template, said.text))
    return _claim(case, at, name, Replaced(template, said.name))


class Replaced(NamedTuple):
    """A template, and the text or the claim that it stands for."""

    template: str
    by: str


def _of_everyone(case: Case, at: str, name: str, said: Replaced) -> Added:
    if not said.by:
        case.ledger.kept(at, "It was empty: nobody is known here.", said.template, "not sent")
        return Added()
    new = f"request.headers.{name}: {said.by}"
    case.ledger.kept(at, "Everyone is called so here.", said.template, new)
    return Added(headers={name: said.by})


def _claim(case: Case, at: str, name: str, said: Replaced) -> Added:
    header = name.lower()
    if not _claim_header(header) or header.count("-") > HYPHENS_MAX or _refused(header, "x"):
        question = (
            f"{name} can not carry an identity: it has another meaning, or underscores. Which header can?"
        )
        answer = f"edit {at}: rename it, and have the workload read x-auth-subject"
        case.ledger.ask(at, question, answer, said.template)
        return Added()
    message = "Set from the claim, where the caller has it."
    case.ledger.kept(at, message, said.template, f"identityHeaders.{header}: {said.by}")
    return Added(claims={header: said.by})


def _refused(name: str, value: str) -> str:
    """In our words, with a full stop; nothing if it can be set."""
    try:
        istio_headers.added(name)
        istio_headers.text(value)
    except ValueError as error:
        return f"{error}."
    return ""


def _cookie(case: Case) -> Added:
    written = case.get("cookies")
    cookies: dict[str, str] = {}
    for name, template in written.items() if isinstance(written, Mapping) else ():
        at = _at(case, "cookies", str(name))
        said = Text(str(template)) if case.by_mesh else go_templates.meant(str(template), case.access)
        if not isinstance(said, Text):
            question = (
                f"The cookie {name} carried the caller's identity; a header can. Does the workload read one?"
            )
            case.ledger.ask(at, question, f"edit {at}: use the header mutator instead", old=template)
            continue
        value = said.text if case.by_mesh else said.text.replace("%", "%%")
        cookies[str(name)] = value
        case.ledger.kept(at, "Sent with each request.", old=template, new=f"request.cookies.{name}: {value}")
    return Added(cookies=cookies)


def _hydrator(case: Case) -> Added:
    api = case.get("api")
    url = api.get("url") if isinstance(api, Mapping) else ""
    question = (
        f"What does {url} add to the session, and who reads it? The authorizer asks no such service: have "
        "the identity provider put it into the token as a claim, or the workload ask itself."
    )
    case.ledger.ask(
        case.at(), question, "take the hydrator out of the rule when one of the two is done", old=url
    )
    return Added()


def _at(case: Case, section: str, name: str) -> str:
    own = case.handler.config.get(section)
    if isinstance(own, Mapping) and name in own:
        return f"{case.handler.at}.config.{section}.{name}"
    return f"{case.settings.file}: mutators.{case.handler.name}.config.{section}.{name}"


class _Row(NamedTuple):
    convert: Callable[[Case], Added]
    new: str


MUTATORS: Mapping[str, _Row] = {
    "noop": _Row(_noop, "Requests go on as they are."),
    "header": _Row(_header, "request.headers, and identityHeaders for what is the caller's."),
    "cookie": _Row(_cookie, "request.cookies."),
    "id_token": _Row(id_tokens.convert, "An authorizer's identityToken."),
    "hydrator": _Row(_hydrator, "A claim of the token, or the workload's own question."),
}
