"""What the authorizer enforces for APIRules: the same rules, hosts and precedence as in the mesh.

It never fails: a rule that can not be kept here refuses its requests, and `obstacles` says why.
"""

from collections.abc import Iterable, Mapping, Sequence

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
from authz.istio import hosts, schema
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.schema import Authentication, Authorization, JwtConfig


def build(rules: Sequence[APIRule], authorizers: Mapping[str, Authorizer], cluster: Cluster) -> Policy:
    """Where two APIRules claim one host, the elder has it (`hosts.owners`)."""
    owners = hosts.owners(rules, cluster.gateways)
    kept = {rule.key: _rules(rule, authorizers) for rule in owners.values()}
    return Policy(
        hosts={
            name: Host(name, kept[rule.key], rule.spec.rejects_ambiguous) for name, rule in owners.items()
        },
        identity_headers=identity_headers(authorizers.values()),
    )


def identity_headers(authorizers: Iterable[Authorizer]) -> frozenset[str]:
    """Every header that may carry an identity, and so must never come from a client."""
    return frozenset(IDENTITY_HEADERS).union(*(one.identity_headers for one in authorizers))


def _rules(rule: APIRule, authorizers: Mapping[str, Authorizer]) -> tuple[Rule, ...]:
    return tuple(
        Rule(f"{rule.key}/{index}", frozenset(one.methods), one.path, tuple(_checks(one, authorizers)))
        for index, one in enumerate(rule.spec.rules)
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


def _accept(one: Authentication) -> Jwt:
    return Jwt(one.issuer, one.jwks_uri, location=_location(one))


def _location(one: Authentication) -> Location:
    for header in one.from_headers:
        return Location(header.name.lower(), header.prefix)
    for param in one.from_params:
        return Location(param=param)
    return BEARER


def _requirement(one: Authorization) -> Requirement:
    return Requirement(frozenset(one.required_scopes), frozenset(one.audiences))
