"""Every check of an APIRule: what is written, and the problem that its author reads.

`refused` says whether the API server refuses it as well, with the same words or (`SCHEMA`) its own.
"""

from copy import deepcopy
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from authz.istio import pattern, syntax

Place = tuple[int | str, ...]


class Refused(Enum):
    """What the API server makes of it."""

    CEL = auto()  # with the message of our rule
    SCHEMA = auto()  # by type, bound or enumeration, in its own words
    NOT = auto()  # left to the controller


CEL, SCHEMA, NOT = Refused.CEL, Refused.SCHEMA, Refused.NOT

IDP = {"issuer": "https://idp", "jwksUri": "https://idp/keys"}
JWT: dict[str, Any] = {"authentications": [IDP]}
PUBLIC = {"path": "/a", "methods": ["GET"], "noAuth": True}


@dataclass(frozen=True)
class Case:
    """A good document with one thing changed."""

    place: Place
    value: Any
    path: str
    message: str
    refused: Refused

    @property
    def document(self) -> dict[str, Any]:
        return changed(self.place, self.value)

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def good() -> dict[str, Any]:
    return {
        "apiVersion": "gateway.kyma-project.io/v2",
        "kind": "APIRule",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {
            "hosts": ["shop.example.com"],
            "gateway": "gateways/main",
            "service": {"name": "shop", "port": 80},
            "rules": [deepcopy(PUBLIC)],
        },
    }


def changed(place: Place, value: Any) -> dict[str, Any]:
    """`...` takes the place away."""
    document = good()
    *way, last = place
    here: Any = document
    for step in way:
        here = here[step]
    if value is ...:
        del here[last]
    else:
        here[last] = value
    return document


def rules(*given: dict[str, Any]) -> list[dict[str, Any]]:
    return [PUBLIC | each for each in given]


def issued(**said: Any) -> list[dict[str, Any]]:
    return [secured(authentications=[IDP | said])]


def secured(**jwt: Any) -> dict[str, Any]:
    return {"path": "/a", "methods": ["GET"], "jwt": JWT | jwt}


RULE: Place = ("spec", "rules", 0)
PATH: Place = (*RULE, "path")
AT_PATH = "spec.rules[0].path"
RULES: Place = ("spec", "rules")

SYNTAX = [
    Case(("spec",), ..., "spec", "is required", SCHEMA),
    Case(("spec", "gateway"), ..., "spec.gateway", "is required", SCHEMA),
    Case(("spec", "gateway"), "main", "spec.gateway", syntax.NOT_A_GATEWAY, CEL),
    Case(("spec", "externalGateway"), "a/b", "spec.externalGateway", syntax.NO_EXTERNAL_GATEWAY, CEL),
    Case(("spec", "hosts"), [], "spec.hosts", "No hosts defined", SCHEMA),
    Case(("spec", "hosts"), ["*.com"], "spec.hosts[0]", syntax.NOT_A_HOST, CEL),
    Case(("spec", "hosts"), ["a_b.example.com"], "spec.hosts[0]", syntax.NOT_A_HOST, CEL),
    Case(("spec", "hosts"), ["a.test", "a.test"], "spec.hosts", syntax.HOST_TWICE, CEL),
    Case(("spec", "rules"), [], "spec.rules", "No rules defined", SCHEMA),
    Case(("spec", "service"), ..., "spec.rules[0].service", syntax.SERVICELESS, CEL),
    Case(("spec", "service", "name"), "a b", "spec.service.name", syntax.NOT_A_NAME, CEL),
    Case(("spec", "service", "namespace"), "A", "spec.service.namespace", syntax.NOT_A_NAME, CEL),
    Case(("spec", "service", "port"), 0, "spec.service.port", "must be 1 or more", SCHEMA),
    Case(("spec", "service", "port"), "80", "spec.service.port", "must be a whole number", SCHEMA),
    Case(("spec", "timeout"), 3901, "spec.timeout", "must be 3900 or less", SCHEMA),
    Case(("spec", "enforcement"), "Sidecar", "spec.enforcement", "must be 'Workload' or 'Gateway'", SCHEMA),
    Case(("spec", "ambiguousPaths"), "Deny", "spec.ambiguousPaths", "must be 'Reject' or 'Allow'", SCHEMA),
    Case(("spec", "host"), "a.test", "spec.host", 'unknown field, did you mean "hosts"?', SCHEMA),
    Case(PATH, "a", AT_PATH, pattern.NOT_A_PATH, CEL),
    Case(PATH, "/a*", AT_PATH, pattern.NOT_A_PATH, CEL),
    Case(PATH, "/a{*}", AT_PATH, pattern.NOT_A_PATH, CEL),
    Case(PATH, "/%zz", AT_PATH, pattern.NOT_A_PATH, CEL),
    Case(PATH, "/{**}/{**}", AT_PATH, pattern.OPEN_TWICE, CEL),
    Case(PATH, "/{**}/{*}", AT_PATH, pattern.OPEN_NOT_LAST, CEL),
    Case(PATH, "/a/../b", AT_PATH, pattern.RESOLVED, CEL),
    Case(PATH, "/a/.;x", AT_PATH, pattern.RESOLVED, CEL),
    Case(PATH, "/%61", AT_PATH, pattern.RESOLVED, CEL),
    Case(PATH, "//{*}", AT_PATH, pattern.EMPTY_SEGMENT, CEL),
    Case(PATH, "/a" * 33, AT_PATH, pattern.PATH_TOO_LONG, CEL),
    Case(PATH, "/" + "a" * 512, AT_PATH, pattern.PATH_TOO_LONG, SCHEMA),
    Case(PATH, "/{*}" * 17, AT_PATH, pattern.MANY_OPERATORS, CEL),
    Case(
        PATH,
        "/{*}" * 16 + "/" + "$" * 400,
        AT_PATH,
        pattern.LONG_REGEX,
        NOT,
    ),
    Case((*RULE, "methods"), [], "spec.rules[0].methods", "No methods defined", SCHEMA),
    Case(
        (*RULE, "methods"),
        ["get"],
        "spec.rules[0].methods[0]",
        "must be 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE' or 'PATCH'",
        SCHEMA,
    ),
    Case((*RULE, "noAuth"), False, "spec.rules[0]", syntax.ONE_ACCESS, CEL),
    Case((*RULE, "jwt"), JWT, "spec.rules[0]", syntax.ONE_ACCESS, CEL),
    Case((*RULE, "timeout"), 0, "spec.rules[0].timeout", "must be 1 or more", SCHEMA),
    Case(
        (*RULE, "extAuth"),
        {"authorizers": []},
        "spec.rules[0].extAuth.authorizers",
        "No authorizers defined",
        SCHEMA,
    ),
    Case(
        RULES,
        rules({}, {"path": "/*"}, {"path": "/b", "methods": ["PUT", "GET"]}),
        "spec.rules[2].path",
        "Path /b with method GET conflicts with at least one of the previous rule paths (spec.rules[1])",
        NOT,
    ),
    Case(
        (*RULE, "request"),
        {"headers": {"host": "a"}},
        "spec.rules[0].request.headers.host",
        "may not be set by an APIRule",
        NOT,
    ),
    Case(
        (*RULE, "request"),
        {"cookies": {"a b": "c"}},
        "spec.rules[0].request.cookies.a b",
        "must be letters, digits and any of !#$&'*+-.^_`|~",
        NOT,
    ),
    Case(
        ("spec", "corsPolicy"),
        {"allowOrigins": [{"exact": "a", "prefix": "b"}]},
        "spec.corsPolicy.allowOrigins[0]",
        syntax.ONE_ORIGIN,
        CEL,
    ),
    Case(
        ("spec", "corsPolicy"),
        {"allowOrigins": [{"exact": "a"}], "allowMethods": ["LOCK"]},
        "spec.corsPolicy.allowMethods[0]",
        "must be 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH' or '*'",
        SCHEMA,
    ),
    Case(("spec", "corsPolicy"), {"maxAge": 0}, "spec.corsPolicy.maxAge", "must be 1 or more", SCHEMA),
]

_NO_ISSUER = "A JWT config must have at least one authentication"
_AT = "spec.rules[0].jwt.authentications"
_ASKED = "spec.rules[0].jwt.authorizations"
_HEADER = {"name": "x-token"}

TOKENS = [
    Case(
        RULES,
        [secured(authentications=[])],
        _AT,
        "A JWT config must have at least one authentication",
        SCHEMA,
    ),
    *(
        Case(
            RULES,
            issued(issuer=bad),
            f"{_AT}[0].issuer",
            syntax.NOT_AN_ISSUER,
            how,
        )
        for bad, how in [("", SCHEMA), ("a b", CEL), ("a*", CEL), (":a", CEL), ("://[", CEL)]
    ),
    *(
        Case(
            RULES,
            issued(jwksUri=bad),
            f"{_AT}[0].jwksUri",
            syntax.NO_KEYS,
            how,
        )
        for bad, how in [
            ("", SCHEMA),
            ("file:///keys", CEL),
            ("idp/keys", CEL),
            ("https:///keys", CEL),
            ("https://idp/a b", CEL),
            ("https://idp:port/keys", NOT),
            ("https://idp:70000/keys", NOT),
        ]
    ),
    Case(
        RULES,
        issued(fromHeaders=[_HEADER, {"name": "y"}]),
        f"{_AT}[0].fromHeaders",
        "multiple fromHeaders are not supported",
        SCHEMA,
    ),
    Case(
        RULES,
        issued(fromParams=["a", "b"]),
        f"{_AT}[0].fromParams",
        "multiple fromParams are not supported",
        SCHEMA,
    ),
    Case(
        RULES,
        [
            secured(
                authentications=[
                    IDP | {"fromHeaders": [_HEADER]},
                    IDP | {"issuer": "https://other", "fromParams": ["a"]},
                ]
            )
        ],
        _AT,
        syntax.MIXTURE,
        CEL,
    ),
    Case(
        RULES,
        [secured(), secured(authentications=[IDP | {"jwksUri": "https://idp/other"}]) | {"path": "/b"}],
        "spec.rules[1].jwt.authentications[0]",
        "multiple jwt configurations that differ for the same issuer",
        NOT,
    ),
    Case(
        RULES,
        [secured(authorizations=[])],
        _ASKED,
        "authorizations defined, but no configuration exists",
        SCHEMA,
    ),
    Case(RULES, [secured(authorizations=[{}])], f"{_ASKED}[0]", syntax.NO_AUTHORIZATION, CEL),
    *(
        Case(RULES, [secured(authorizations=[{field: value}])], f"{_ASKED}[0].{field}", message, how)
        for field, kind in [("requiredScopes", "scope"), ("audiences", "audience")]
        for value, message, how in [
            ([], f"must list at least one {kind}, or be left out", SCHEMA),
            ([""], f"{kind} value is empty", SCHEMA),
            (["a*"], f"{kind} {syntax.WILDCARD}", CEL),
        ]
    ),
]
