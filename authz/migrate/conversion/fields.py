"""What an APIRule says for all of its rules: host, gateway, CORS, timeout, service.

Kyma filled in some of it; what was implied is written down.
"""

import re
from collections.abc import Mapping
from typing import Any

from authz.istio import syntax
from authz.migrate.conversion.model.choices import Choices
from authz.migrate.conversion.model.made import METHODS, literal
from authz.migrate.old.rule import Old, Upstream
from authz.migrate.report.rows import Contrast, Ledger, text

# What Kyma's v1beta1 answered browsers where nothing was said.
DEFAULT_CORS: Mapping[str, Any] = {
    "allowOrigins": [{"regex": ".*"}],
    "allowMethods": ["GET", "POST", "PUT", "DELETE", "PATCH"],
    "allowHeaders": ["Authorization", "Content-Type", "*"],
}

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_durations = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h)").findall
_is_duration = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|ms|s|m|h))+").fullmatch
_gateway = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)(?:\.svc(?:\.[a-z0-9.-]+)?)?").fullmatch


def gateway(old: Old, namespace: str, choices: Choices, ledger: Ledger) -> str:
    """`namespace/name`. Istio's old form is a DNS name; a bare name is the APIRule's neighbour."""
    written = old.gateway
    if not written:
        if not choices.gateway:
            ledger.ask(
                "spec.gateway",
                "Which Istio Gateway serves these hosts?",
                "--gateway NAMESPACE/NAME",
                code="gateway",
            )
        else:
            ledger.kept("spec.gateway", "As you have said.", new=choices.gateway)
        return choices.gateway
    dotted = _gateway(written)
    made = written if "/" in written else f"{dotted[2]}/{dotted[1]}" if dotted else f"{namespace}/{written}"
    ledger.kept("spec.gateway", "The same Gateway.", old=written, new=made)
    return made


def cors(written: Mapping[str, Any] | None, ledger: Ledger) -> Mapping[str, Any]:
    """Written down where it was implied; a duration becomes seconds."""
    if written is None:
        ledger.kept(
            "spec.corsPolicy", "It was implied by Kyma, and is written down now.", new=text(DEFAULT_CORS)
        )
        return DEFAULT_CORS
    made = {name: value for name, value in written.items() if name != "maxAge"}
    for name, value in made.items():
        ledger.kept(f"spec.corsPolicy.{name}", "The same.", old=value)
    if (age := written.get("maxAge")) is not None:
        made |= _max_age(str(age), ledger)
    return made


def _max_age(age: str, ledger: Ledger) -> dict[str, int]:
    if not _is_duration(age) and not age.isdecimal():
        ledger.ask(
            "spec.corsPolicy.maxAge",
            "For how long may browsers remember a preflight?",
            "edit maxAge",
            old=age,
        )
        return {}
    seconds = int(age) if age.isdecimal() else sum(float(n) * _UNITS_S[unit] for n, unit in _durations(age))
    if seconds < 1:
        ledger.kept(
            "spec.corsPolicy.maxAge", "Less than a second: browsers do not remember preflights.", old=age
        )
        return {}
    ledger.kept("spec.corsPolicy.maxAge", "In whole seconds.", old=age, new=int(seconds))
    return {"maxAge": int(seconds)}


def service(upstream: Upstream, ledger: Ledger, default: str) -> dict[str, Any] | None:
    """A Service of the cluster; None where a person has to say more."""
    at = upstream.at
    if upstream.strip_path:
        question = (
            f"The workload got paths without {upstream.strip_path}; nothing cuts them off now. Who will?"
        )
        answer = "have the workload serve the whole path, then take it out of the rule"
        name = "stripPath" if at.startswith("spec") else "strip_path"
        ledger.ask(f"{at}.{name}", question, answer, upstream.strip_path)
    if not upstream.service or upstream.port is None:
        there = f", not to {upstream.url}" if upstream.url else ", and none is named"
        question = f"Which Service are the requests for? An APIRule leads to one{there}."
        answer = "edit it: make a Service (of type ExternalName for what is outside) and name it"
        ledger.ask(at, question, answer, old=upstream.url)
        return None
    made: dict[str, Any] = {"name": upstream.service}
    namespace = upstream.namespace if upstream.namespace not in ("", default) else ""
    made |= ({"namespace": namespace} if namespace else {}) | {"port": upstream.port}
    message = "The same Service."
    if upstream.url.startswith("https:"):
        message = "The same Service; the mesh speaks TLS to it, or a DestinationRule of yours."
    ledger.kept(at, message, old=upstream.url or text(made), new=text(made))
    return made


def scheme(old: Old, ledger: Ledger) -> None:
    """An APIRule does not know any: the servers of its Gateway do."""
    at = old.path_at
    if not old.schemes and any("/" in host.text or host.text.startswith("<") for host in old.hosts):
        question = "Which hosts and paths are these? One pattern is for the scheme, the host and the path."
        ledger.ask(at, question, f"edit {at}: <http|https>://HOST/<PATH>", code="scheme")
    elif not old.schemes:
        question = (
            "Is this rule in use? Its URL begins with neither http:// nor https://, and matched nothing."
        )
        ledger.ask(at, question, f"edit {at}, or take the rule out", code="scheme")
    elif len(old.schemes) == 1:
        message = (
            f"The rule was for {old.schemes[0]} alone; an APIRule is for whatever its Gateway serves "
            "(httpsRedirect there leaves https)."
        )
        ledger.widened(at, "scheme", message, Contrast(f"{old.schemes[0]}://", "http://, https://"))


def spelling(old: Old, ledger: Ledger) -> None:
    """Oathkeeper compared hosts to the letter, and programs send them in small ones."""
    capital = next(
        (one.text for one in old.hosts if "<" not in one.text and one.text != one.text.lower()), ""
    )
    if capital and old.by_oathkeeper:
        message = (
            f"To {capital.lower()} Oathkeeper answered 404, for it knew {capital} alone; both are one now."
        )
        ledger.widened(old.path_at, "capitals", message, Contrast(capital, capital.lower()))


def host_header(old: Old, ledger: Ledger) -> None:
    """Oathkeeper's proxy spoke to the Service by the Service's name, unless it was told not to."""
    if old.by_oathkeeper and not old.upstream.preserve_host:
        message = "The workload gets the host that was asked for, as in X-Forwarded-Host, not the Service's."
        ledger.narrowed(old.field("host"), "host-header", message, Contrast(old="Host: SERVICE"))


def host(written: str, ledger: Ledger, at: str) -> str:
    """In lower case; what the gateway's domain completes stays short."""
    made = written.lower().removesuffix(".")
    try:
        syntax.host(made)
    except ValueError as error:
        ledger.ask(at, f"{error}. What is the host in full?", f"edit {at}", old=written)
        return ""
    message = (
        "The gateway's one domain completes it, as before." if syntax.is_short(made) else "The same host."
    )
    ledger.kept(at, message, old=written, new=made)
    return made


def methods(old: Old, templates: tuple[str, ...], choices: Choices, ledger: Ledger) -> tuple[str, ...]:
    """Those that are listed. `allow` exposed all of them, listed or not."""
    at = old.field("methods" if old.origin.kind == "APIRule" else "match.methods")
    # Oathkeeper compares them in any case; Envoy, which Kyma gave them to otherwise, to the letter.
    is_literal = not old.by_oathkeeper and "allow" not in old.handlers
    listed = tuple(dict.fromkeys(one if is_literal else one.upper() for one in old.methods))
    known = tuple(method for method in listed if method in METHODS)
    if unknown := [method for method in listed if method not in METHODS]:
        message = "Only methods of HTTP itself can be named."
        if is_literal:
            message = "Envoy compared methods to the letter, so that no request had this one."
        ledger.narrowed(at, "methods", message, Contrast(unknown))
    if "allow" in old.handlers and old.origin.kind == "APIRule":
        rest = [method for method in METHODS if method not in known]
        if choices.all_methods or not known:
            ledger.kept(at, "allow let every method pass, and so does the new rule.", old=listed, new=METHODS)
            return METHODS
        message = "allow let every method pass; now those that are listed. --all-methods keeps the others."
        witness = f"{rest[0]} {literal(templates[0])}" if rest and templates else ""
        ledger.narrowed(at, "allow-methods", message, Contrast("every method", known, witness))
        return known
    if known:
        ledger.kept(at, "The same methods.", old=old.methods, new=known)
    else:
        question = "Which methods may be used? None is listed that a request has, so that none matched."
        ledger.ask(at, question, f"edit {at}", old=old.methods)
    return known
