"""The documents of the old world, one kind after the other, taken apart into old rules and settings."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from authz.istio import names
from authz.istio.apirule import GROUP
from authz.migrate.old import matching, urls
from authz.migrate.old.rule import (
    NOTHING,
    Handler,
    Object,
    Old,
    Origin,
    Pattern,
    Settings,
    Strategy,
    Upstream,
    checked_by_mesh,
)

EVERY_PATH = "/*"  # to Kyma, where its `jwtHandler` was istio; to a regular expression it is slashes alone
ANNOTATION = "gateway.kyma-project.io/v1beta1-spec"  # where Kyma keeps what its own conversion can not say
OWNER_LABEL = "apirule.gateway.kyma-project.io/v1beta1"  # of the Rules that Kyma made of APIRules

_OLD = {f"{GROUP}/v1alpha1": "v1alpha1", f"{GROUP}/v1beta1": "v1beta1"}
_NEW = frozenset({f"{GROUP}/v2alpha1", f"{GROUP}/v2"})
_SECTIONS = {"authenticators", "authorizers", "mutators", "errors", "access_rules", "serve"}
_FILES = (".json", ".yaml", ".yml")
_SAYS_WHO = "authenticators"
_NOOP = {"handler": "noop"}  # what Oathkeeper's controller writes into a Rule that names no mutators


class Bad(ValueError):
    """A document that is not what it says it is."""


def is_settings(body: Mapping[str, Any]) -> bool:
    """Oathkeeper's `config.yaml`: no Kubernetes object, and no access rule."""
    sections = (name for name in _SECTIONS if isinstance(body.get(name), Mapping))
    return "kind" not in body and "match" not in body and any(sections)


def is_ours(body: Mapping[str, Any]) -> bool:
    """What an earlier conversion has written beside APIRules: our configuration, a report, clients."""
    written = {"policy", "findings", "kept_in"}
    return "kind" not in body and "match" not in body and not written.isdisjoint(body)


def settings(file: str, body: Mapping[str, Any]) -> Settings:
    """Oathkeeper's `config.yaml`."""
    errors, rules = mapping(body.get("errors")), mapping(body.get("access_rules"))
    strategy: Strategy = "glob" if rules.get("matching_strategy") == "glob" else "oathkeeper"
    return Settings(
        file=file,
        authenticators=mapping(body.get("authenticators")),
        authorizers=mapping(body.get("authorizers")),
        mutators=mapping(body.get("mutators")),
        errors=mapping(errors.get("handlers")),
        fallback=tuple(map(str, errors.get("fallback") or ("json",))),
        strategy=strategy,
        written=body,
    )


def apirules(file: str, body: Mapping[str, Any]) -> Iterator[Object]:
    """An APIRule of an old version, or the one that Kyma keeps in an annotation of a newer. Raises Bad."""
    origin = origin_of(file, "APIRule", body)
    written = str(body.get("apiVersion", ""))
    version = _OLD.get(written, "")
    if not version and written not in _NEW:
        raise Bad(
            f"{origin}: apiVersion {written or 'is missing'}: one of {', '.join([*_OLD, *sorted(_NEW)])}"
        )
    kept = mapping(mapping(body.get("metadata")).get("annotations")).get(ANNOTATION)
    spec, at = mapping(body.get("spec")), "spec"
    if not version and isinstance(kept, str):
        version, at = "v1beta1", f"metadata.annotations[{ANNOTATION}]"
        try:
            spec = mapping(json.loads(kept))
        except ValueError as error:
            raise Bad(f"{origin}: {at}: {error}") from error
    if version:
        named = Origin(file, "APIRule", origin.name, origin.namespace, version)
        yield Object(named, {**body, "spec": spec}, tuple(_of_apirule(named, spec)))


def _of_apirule(origin: Origin, spec: Mapping[str, Any]) -> Iterator[Old]:
    """v1alpha1 has the host in `spec.service`; v1beta1 has it beside, and services of rules."""
    common = mapping(spec.get("service"))
    host = str(spec.get("host") or common.get("host") or "")
    gateway, timeout = str(spec.get("gateway") or ""), spec.get("timeout")
    for index, rule in enumerate(map(mapping, sequence(spec.get("rules")))):
        at = f"spec.rules[{index}]"
        own = mapping(rule.get("service"))
        strategies = _handlers(rule.get("accessStrategies"), f"{at}.accessStrategies")
        path = str(rule.get("path") or "")
        yield Old(
            origin=origin,
            index=index,
            at=at,
            hosts=(Pattern(host),),
            path=Pattern("/.*" if path == EVERY_PATH and checked_by_mesh(strategies) else path),
            methods=_texts(rule.get("methods")),
            authenticators=strategies,
            mutators=_handlers(rule.get("mutators"), f"{at}.mutators"),
            upstream=_service(own or common, common, f"{at}.service" if own else "spec.service"),
            cors=mapping(spec["corsPolicy"]) if isinstance(spec.get("corsPolicy"), Mapping) else None,
            timeout_s=_int(rule.get("timeout")) or _int(timeout),
            gateway=gateway,
        )


def _service(own: Mapping[str, Any], common: Mapping[str, Any], at: str) -> Upstream:
    """A rule's service without a namespace has that of the APIRule's."""
    return Upstream(
        service=str(own.get("name") or ""),
        namespace=str(own.get("namespace") or common.get("namespace") or ""),
        port=_int(own.get("port")),
        at=at,
    )


def rule(file: str, body: Mapping[str, Any], strategy: Strategy) -> Object:
    """Oathkeeper's custom resource writes what an access rule does in camelCase."""
    spec = mapping(body.get("spec"))
    upstream = mapping(spec.get("upstream"))
    written = {"strip_path": upstream.get("stripPath"), "preserve_host": upstream.get("preserveHost")}
    plain = {**spec, "upstream": {**upstream, **written}}
    plain |= {"mutators": [_NOOP]} if spec.get("mutators") is None else {}
    origin = origin_of(file, "Rule", body)
    return Object(origin, body, (_old(origin, plain, strategy, "spec."),))


def access_rule(file: str, body: Mapping[str, Any], strategy: Strategy) -> Object:
    """One of an access-rule file."""
    match = mapping(body.get("match"))
    unnamed = f"without id, {' '.join(_texts(match.get('methods')))} {match.get('url') or ''}"
    origin = Origin(file, "access rule", str(body.get("id") or unnamed.strip()))
    return Object(origin, body, (_old(origin, body, strategy, ""),))


def _old(origin: Origin, rule: Mapping[str, Any], strategy: Strategy, at: str) -> Old:
    match = mapping(rule.get("match"))
    scheme, host, path = urls.split(_url(match))
    # Where none is written Oathkeeper refuses, and its controller writes `deny`.
    authorizer = _handlers([rule.get("authorizer") or {"handler": "deny"}], f"{at}authorizer")[0]
    return Old(
        origin=origin,
        index=0,
        at=at.rstrip("."),
        hosts=tuple(Pattern(one, strategy) for one in urls.hosts(host)),
        path=Pattern(path, strategy),
        methods=_texts(match.get("methods")) or (("POST",) if "full_method" in match else ()),
        authenticators=_handlers(rule.get("authenticators"), f"{at}authenticators"),
        authorizer=Handler(authorizer.name, authorizer.config, f"{at}authorizer"),
        mutators=_handlers(rule.get("mutators"), f"{at}mutators"),
        errors=_handlers(rule.get("errors"), f"{at}errors"),
        upstream=urls.upstream(mapping(rule.get("upstream")), f"{at}upstream"),
        schemes=_schemes(Pattern(scheme, strategy)),
    )


def _schemes(written: Pattern) -> tuple[str, ...]:
    return tuple(one for one in ("http", "https") if matching.matches(written, one))


def _url(match: Mapping[str, Any]) -> str:
    """GRPC's calls are POST requests with the method for a path."""
    if "full_method" in match:
        return f"<http|https>://{match.get('authority') or '<.*>'}/{match['full_method']}"
    return str(match.get("url") or "")


def owner(rule: Mapping[str, Any]) -> str:
    """The APIRule, `namespace/name`, that Kyma made this of, or nothing. It has said so in two ways."""
    labels = mapping(mapping(rule.get("metadata")).get("labels"))
    if names.OWNER_NAME in labels:
        return f"{labels.get(names.OWNER_NAMESPACE, '')}/{labels[names.OWNER_NAME]}"
    name, _, namespace = str(labels.get(OWNER_LABEL, "")).partition(".")
    return f"{namespace}/{name}" if namespace else ""


def of_config_map(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where Kubernetes keeps Oathkeeper's files, by whatever names: access rules, and its configuration."""
    for key, text in mapping(body.get("data")).items():
        if isinstance(text, str) and str(key).endswith(_FILES) and _is_oathkeepers(text):
            yield str(key), text


def _is_oathkeepers(text: str) -> bool:
    return _SAYS_WHO in text or all(word in text for word in ("match", "methods", "url"))


def of_configuration(text: str) -> bool:
    """True of a file that says which handlers are on."""
    return _SAYS_WHO in text and "authorizers" in text


def origin_of(file: str, kind: Any, body: Mapping[str, Any]) -> Origin:
    """Of an object of Kubernetes. Raises Bad."""
    metadata = mapping(body.get("metadata"))
    name, namespace = metadata.get("name"), metadata.get("namespace") or "default"
    if not isinstance(name, str) or not name or not isinstance(namespace, str):
        raise Bad(f"{body.get('kind')} without a name")
    return Origin(file, kind, name, namespace)


def _handlers(written: Any, at: str) -> tuple[Handler, ...]:
    return tuple(
        Handler(str(mapping(one).get("handler") or ""), mapping(mapping(one).get("config")), f"{at}[{index}]")
        for index, one in enumerate(sequence(written))
    )


def mapping(value: Any) -> Mapping[str, Any]:
    """Nothing in place of anything else."""
    return value if isinstance(value, Mapping) else NOTHING


def sequence(value: Any) -> list[Any]:
    """Nothing in place of anything else."""
    return value if isinstance(value, list) else []


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in sequence(value))


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
