"""What the authorizer enforces for APIRules: the same rules, hosts and precedence as in the mesh.

It never fails: a rule that can not be kept here refuses its requests, and `obstacles` says why.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from authz.core.cors import Cors
from authz.core.policy import (
    BEARER,
    IDENTITY_HEADERS,
    Authorizer,
    Check,
    Host,
    Jwt,
    Location,
    Policy,
    Requirement,
    Rule,
)
from authz.istio import hosts, login, metadata, schema
from authz.istio.access import Authentication, Authorization, JwtConfig
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.schema import CorsPolicy

_OPTIONS = frozenset({"OPTIONS"})


def build(apirules: Sequence[APIRule], authorizers: Mapping[str, Authorizer], cluster: Cluster) -> Policy:
    """Where two APIRules claim one host, the elder has it (`hosts.owners`)."""
    owners = hosts.owners(apirules, cluster.gateways)
    kept = {owner.key: _rules(owner, authorizers) for owner in owners.values()}
    return Policy(
        hosts={name: _host(name, owner, kept[owner.key], cluster) for name, owner in owners.items()},
        identity_headers=identity_headers(authorizers.values()),
    )


def identity_headers(authorizers: Iterable[Authorizer]) -> frozenset[str]:
    """Every header that may carry an identity, and so must never come from a client."""
    told = [(authorizer.identity_headers, authorizer.identity_token) for authorizer in authorizers]
    tokens = {token.header for _, token in told if token}
    return frozenset(IDENTITY_HEADERS).union(tokens, *(headers for headers, _ in told))


def _host(name: str, owner: APIRule, rules: tuple[Rule, ...], cluster: Cluster) -> Host:
    """At the gateway the authorizer comes before Envoy's cors filter; a workload never sees a preflight."""
    asked_first = owner.spec.enforcement == "Gateway"
    preflights = (replace(rule, methods=_OPTIONS, checks=()) for rule in rules if rule.cors and asked_first)
    described = metadata.answering(owner, cluster) is not None
    return Host(name, rules, owner.spec.rejects_ambiguous, described, tuple(preflights))


def _rules(apirule: APIRule, authorizers: Mapping[str, Authorizer]) -> tuple[Rule, ...]:
    return (*_login(apirule, authorizers), *_own_rules(apirule, authorizers))


def _login(apirule: APIRule, authorizers: Mapping[str, Authorizer]) -> tuple[Rule, ...]:
    """At the gateway the authorizer is asked about oauth2-proxy's pages too; at a workload there are none."""
    if apirule.spec.enforcement == "Workload":
        return ()
    named = (name for rule in apirule.spec.rules if rule.ext_auth for name in rule.ext_auth.authorizers)
    return login.rules(apirule.key, [authorizers[name] for name in named if name in authorizers])


def _own_rules(apirule: APIRule, authorizers: Mapping[str, Authorizer]) -> tuple[Rule, ...]:
    cors = _cors(apirule.spec.cors_policy)
    checked = [tuple(_checks(rule, authorizers)) for rule in apirule.spec.rules]
    cookies = tuple(dict.fromkeys(name for checks in checked for name in _cookies(checks)))
    return tuple(
        Rule(f"{apirule.key}/{index}", frozenset(rule.methods), rule.path, checks, cors, cookies)
        for index, (rule, checks) in enumerate(zip(apirule.spec.rules, checked, strict=True))
    )


def _cookies(checks: Iterable[Check]) -> Iterable[str]:
    return (check.authorizer.session.cookie_name for check in checks if check.authorizer.session)


def _cors(policy: CorsPolicy | None) -> Cors | None:
    """Without origins it does nothing."""
    if policy is None or not policy.allow_origins:
        return None
    origins = policy.allow_origins
    return Cors(
        exact=frozenset(origin.exact for origin in origins if origin.exact),
        prefixes=tuple(origin.prefix for origin in origins if origin.prefix),
        regexes=tuple(origin.regex for origin in origins if origin.regex),
        credentials=bool(policy.allow_credentials),
        exposed=tuple(policy.expose_headers),
    )


def _checks(rule: schema.Rule, authorizers: Mapping[str, Authorizer]) -> Iterable[Check]:
    """Every authorizer must accept. One that is not ours accepts nobody here."""
    for name in rule.ext_auth.authorizers if rule.ext_auth else ():
        yield Check(authorizers.get(name, Authorizer(name)))
    if rule.tokens:
        yield _token_check(rule.tokens)


def _token_check(tokens: JwtConfig) -> Check:
    accept = tuple(map(_accept, tokens.authentications))
    any_of = tuple(map(_requirement, tokens.authorizations or ()))
    return Check(Authorizer("jwt", accept, IDENTITY_HEADERS), any_of)


def _accept(issuer: Authentication) -> Jwt:
    return Jwt(issuer.issuer, issuer.jwks_uri, location=_location(issuer))


def _location(issuer: Authentication) -> Location:
    for header in issuer.from_headers:
        return Location(header.name.lower(), header.prefix)
    for param in issuer.from_params:
        return Location(param=param)
    return BEARER


def _requirement(asked: Authorization) -> Requirement:
    return Requirement(frozenset(asked.required_scopes), frozenset(asked.audiences))
