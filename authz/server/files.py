"""Files in, policy out: APIRules, the cluster objects they name, and the configuration.

Every mistake is reported as `FILE: path: message`; one bad APIRule never takes the others with it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from authz import config, documents
from authz.config import Config
from authz.core.policy import Authorizer, Jwt, Policy
from authz.istio import apirule, cluster, hosts, obstacles, policy
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.problem import Invalid, Problem
from authz.istio.translate import Resource
from authz.istio.translate import translate as translate_one

CONFIG_KEY = "authz.yaml"  # of a ConfigMap, as the chart mounts it


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document and the file it stands in."""

    file: str
    body: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The Kubernetes kind, or nothing."""
        kind = self.body.get("kind")
        return kind if isinstance(kind, str) else ""

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name; both may be missing from a bad document."""
        metadata = self.body.get("metadata")
        named = metadata if isinstance(metadata, dict) else {}
        namespace, name = named.get("namespace", "default"), named.get("name", "")
        return (namespace, name) if isinstance(namespace, str) and isinstance(name, str) else ("", "")


@dataclass(frozen=True, slots=True)
class Read:
    """What files hold: documents that parse, the files that do not, and problems with those."""

    documents: tuple[Document, ...]
    broken: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """APIRules that are valid by themselves, what they stand in, and what they mean together."""

    config: Config
    rules: tuple[tuple[str, APIRule], ...]
    cluster: Cluster
    policy: Policy
    problems: tuple[str, ...]


def read(paths: Iterable[Path]) -> Read:
    """YAML files, and those in folders (not deeper), in the order of their names."""
    found: list[Document] = []
    broken: set[str] = set()
    problems: list[str] = []
    for file in expand(paths):
        try:
            bodies = documents.read(file.read_text(encoding="utf-8"))
        except documents.Malformed as error:
            broken.add(str(file))
            problems.append(f"{file}: {error}")
            continue
        except (OSError, UnicodeDecodeError) as error:
            broken.add(str(file))
            problems.append(f"{file}: can not be read: {error}")
            continue
        found += [Document(str(file), body) for body in bodies if isinstance(body, dict)]
        problems += [
            f"{file}: a mapping is expected, not a {type(body).__name__}"
            for body in bodies
            if body is not None and not isinstance(body, dict)
        ]
    return Read(tuple(found), frozenset(broken), tuple(problems))


def expand(paths: Iterable[Path]) -> list[Path]:
    """The files themselves. Hidden ones are left out: a mounted ConfigMap keeps its versions there."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        found += [
            file
            for file in inside
            if file == path or (file.suffix in (".yaml", ".yml") and not file.name.startswith("."))
        ]
    return found


def load(files: Read, settings: Config | None = None, last: Loaded | None = None) -> Loaded:
    """Without `settings` the configuration comes from the ConfigMap in the files, if there is one.

    With `last`, an APIRule that has become bad, or whose file has, keeps its last good version.
    """
    problems = list(files.problems)
    if settings is None:
        settings = _embedded(files.documents, problems)
    authorizers = authorizers_of(settings)
    rules = (*_rules(files.documents, problems, last), *_rules_of(files.broken, last))
    around = _cluster(files.documents, settings, authorizers, problems)
    rules = tuple(_holding(rules, around, last, problems))
    problems += [f"{file}: {problem}" for file, rule in rules for problem in _host_problems(rule, around)]
    enforced = policy.build([rule for _, rule in rules], authorizers, around)
    return Loaded(settings, rules, around, enforced, tuple(dict.fromkeys(problems)))


def translate(loaded: Loaded) -> tuple[list[Resource], list[str]]:
    """The Istio objects of all rules, and what stands in the way of the others."""
    resources: list[Resource] = []
    problems: list[str] = []
    for file, rule in loaded.rules:
        try:
            resources += translate_one(rule, loaded.cluster)
        except Invalid as invalid:
            problems += [f"{file}: {problem}" for problem in invalid.problems]
    return resources, problems


def authorizers_of(settings: Config) -> dict[str, Authorizer]:
    """The configured authorizers as the core knows them."""
    return {
        one.name: Authorizer(
            one.name,
            tuple(
                Jwt(
                    issuer=accept.jwt.issuer,
                    jwks_uri=accept.jwt.jwks_uri,
                    audiences=frozenset(accept.jwt.audiences),
                    algorithms=frozenset(accept.jwt.algorithms),
                    leeway_s=accept.jwt.leeway,
                )
                for accept in one.accept
            ),
            dict(one.identity_headers),
        )
        for one in settings.authorizers
    }


def _embedded(documents: Iterable[Document], problems: list[str]) -> Config:
    for document in documents:
        data = document.body.get("data") if document.kind == "ConfigMap" else None
        text = data.get(CONFIG_KEY) if isinstance(data, dict) else None
        if isinstance(text, str):
            try:
                return config.parse(text)
            except config.Invalid as invalid:
                problems += [
                    f"{document.file}: data[{CONFIG_KEY}]: {problem}" for problem in invalid.problems
                ]
    return Config()


def _cluster(
    documents: Iterable[Document],
    settings: Config,
    authorizers: Mapping[str, Authorizer],
    problems: list[str],
) -> Cluster:
    mesh = cluster.Settings(
        provider=settings.istio.provider,
        gateway_selector=settings.istio.gateway_selector,
        gateway_principal=settings.istio.gateway_principal,
    )
    headers = policy.identity_headers(authorizers.values())
    bodies = [document.body for document in documents]
    around, found = cluster.parse(bodies, authorizers, headers, mesh)
    problems += map(str, found)
    return around


def _holding(
    rules: Iterable[tuple[str, APIRule]], around: Cluster, last: Loaded | None, problems: list[str]
) -> Iterable[tuple[str, APIRule]]:
    """Who serves a host goes on serving it: a newcomer that claims it too is not taken."""
    rules = list(rules)
    claims = {rule.key: set(hosts.full(rule, around.gateways)) for _, rule in rules}
    held = hosts.owners([rule for _, rule in last.rules], last.cluster.gateways) if last else {}
    for file, rule in rules:
        taken = [
            host
            for host in claims[rule.key]
            if host in held and held[host].key != rule.key and host in claims.get(held[host].key, ())
        ]
        problems += [f"{file}: spec.hosts: Host {host} is served by {held[host].key}" for host in taken]
        if not taken:
            yield file, rule


def _host_problems(rule: APIRule, around: Cluster) -> Iterable[Problem]:
    """What keeps a host from being served: nobody answers for it, or somebody else does."""
    yield from obstacles.of_hosts(rule, around)
    for index, host in enumerate(hosts.full(rule, around.gateways)):
        if not host and rule.spec.gateway not in around.gateways:
            yield Problem(
                f"spec.hosts[{index}]", f"a short host needs its Gateway {rule.spec.gateway} among the files"
            )


def _rules(
    documents: Iterable[Document], problems: list[str], last: Loaded | None
) -> Iterable[tuple[str, APIRule]]:
    good = {(rule.namespace, rule.name): rule for _, rule in (last.rules if last else ())}
    first: dict[tuple[str, str], Document] = {}
    for document in documents:
        if document.kind != "APIRule":
            continue
        if (other := first.setdefault(document.key, document)) is not document:
            problems.append(f"{document.file}: metadata: {'/'.join(document.key)} stands in {other.file} too")
            continue
        try:
            yield document.file, apirule.parse(document.body)
        except Invalid as invalid:
            problems += [f"{document.file}: {problem}" for problem in invalid.problems]
            if kept := good.get(document.key):
                yield document.file, kept


def _rules_of(broken: frozenset[str], last: Loaded | None) -> Iterable[tuple[str, APIRule]]:
    return [(file, rule) for file, rule in (last.rules if last else ()) if file in broken]
