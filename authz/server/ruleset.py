"""Documents in, policy out: APIRules, the cluster objects they name, and the configuration.

Every mistake is reported as `FILE: path: message`; one bad APIRule never takes the others with it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from authz import config
from authz.config import Config
from authz.core.policy import Authorizer, Policy
from authz.istio import apirule, cluster, contests, hosts, obstacles, policy
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.problem import Invalid, Problem
from authz.istio.translate import Resource
from authz.istio.translate import translate as translate_one
from authz.server.authorizers import authorizers_of
from authz.server.files import Document, Read

CONFIG_KEY = "authz.yaml"  # of a ConfigMap, as the chart mounts it


@dataclass(frozen=True, slots=True)
class Loaded:
    """APIRules that are valid by themselves, what they stand in, and what they mean together."""

    config: Config
    rules: tuple[tuple[str, APIRule], ...]
    cluster: Cluster
    policy: Policy
    problems: tuple[str, ...]


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
    around = replace(around, owners=hosts.owners([rule for _, rule in rules], around.gateways))
    problems += [f"{file}: {problem}" for file, rule in rules for problem in _host_problems(rule, around)]
    enforced = policy.build([rule for _, rule in rules], authorizers, around)
    return Loaded(settings, rules, around, enforced, tuple(dict.fromkeys(problems)))


def translate(loaded: Loaded) -> tuple[list[Resource], list[str]]:
    """The Istio objects of all rules, and what stands in the way of the others."""
    resources: list[Resource] = []
    problems: list[str] = []
    terms = contests.terms(loaded.cluster)
    for file, rule in loaded.rules:
        try:
            resources += translate_one(rule, loaded.cluster, terms)
        except Invalid as invalid:
            problems += [f"{file}: {problem}" for problem in invalid.problems]
    return resources, problems


def mesh_of(settings: Config) -> cluster.Settings:
    """How the mesh is configured."""
    return cluster.Settings(
        provider=settings.istio.provider,
        gateway_selector=settings.istio.gateway_selector,
        gateway_principal=settings.istio.gateway_principal,
        foreign_services=settings.istio.foreign_services,
        mesh_config=settings.istio.mesh_config,
    )


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
    headers = policy.identity_headers(authorizers.values())
    bodies = [document.body for document in documents if document.kind != "APIRule"]  # read already
    around, found = cluster.parse(bodies, authorizers, headers, mesh_of(settings))
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
            problems += _misspelt(document)
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
    """Also those in a folder that has gone."""
    return [
        (file, rule)
        for file, rule in (last.rules if last else ())
        if file in broken or any(Path(one) in Path(file).parents for one in broken)
    ]


def _misspelt(document: Document) -> list[str]:
    """A kind of our own group that there is not: its author thinks it is enforced."""
    group = document.body.get("apiVersion")
    if isinstance(group, str) and group.startswith(f"{apirule.GROUP}/"):
        return [f"{document.file}: kind: {document.kind or 'it'} is not known, did you mean APIRule?"]
    return []
