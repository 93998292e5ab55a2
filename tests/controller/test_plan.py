"""The order of writes: whatever is edited into whatever, nothing passes in between that neither lets pass."""

import json
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from authz.controller import held
from authz.controller.plan import Apply, Delete, plan
from authz.core.policy import Authorizer
from authz.istio import apirule, translate
from authz.istio.problem import Invalid
from tests.controller.meaning import Request, Token, both, decides, reaches, refuses, unguarded
from tests.istio.meshes import known

HOST = "shop.example.com"
GATEWAY = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "main", "namespace": "gateways"},
    "spec": {
        "selector": {"istio": "ingressgateway"},
        "servers": [{"port": {"number": 443}, "hosts": ["*"]}],
    },
}
MESH = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "istio", "namespace": "istio-system"},
    "data": {"mesh": "extensionProviders: [{name: authz}, {name: other}]"},
}


def service(name, labels):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": labels},
    }


CLUSTER = known(
    [
        GATEWAY,
        MESH,
        service("s1", {"app": "one"}),
        service("s2", {"app": "two"}),
        service("s3", {"app": "one"}),
    ],
    [Authorizer("ours"), Authorizer("theirs")],
)


def tokens(issuer, keys, scope):
    config = {"authentications": [{"issuer": issuer, "jwksUri": keys}]}
    return config | ({"authorizations": [{"requiredScopes": [scope]}]} if scope else {})


KEYS = ["https://k/1", "https://k/2"]
TOKENS = [tokens(*each) for each in product(["i1", "i2"], KEYS, ["", "r", "w"])]
ACCESS = [
    {"noAuth": True},
    *({"jwt": each} for each in TOKENS),
    *({"extAuth": {"authorizers": [name]}} for name in ("ours", "theirs", "other")),
    *({"extAuth": {"authorizers": ["ours"], "restrictions": each}} for each in TOKENS),
]
PATHS = ["/*", "/a", "/a/{**}", "/b", "/{*}/b"]


@st.composite
def written(draw):
    """An APIRule that can stand in the cluster."""
    rules = draw(
        st.lists(
            st.builds(
                lambda path, methods, access, name: (
                    {
                        "path": path,
                        "methods": methods,
                        "service": {"name": name, "port": 80},
                    }
                    | access
                ),
                st.sampled_from(PATHS),
                st.sampled_from([["GET"], ["GET", "POST"]]),
                st.sampled_from(ACCESS),
                st.sampled_from(["s1", "s1", "s2", "s3"]),
            ),
            min_size=1,
            max_size=3,
        )
    )
    rule = parsed(rules, draw(st.sampled_from(["Workload", "Workload", "Gateway"])))
    assume(rule)
    return rule


def parsed(rules, enforcement="Workload"):
    """With what it becomes; None if it can not stand."""
    try:
        rule = apirule.parse(
            {
                "apiVersion": "gateway.kyma-project.io/v2",
                "kind": "APIRule",
                "metadata": {"name": "shop", "namespace": "shop"},
                "spec": {
                    "hosts": [HOST],
                    "gateway": "gateways/main",
                    "enforcement": enforcement,
                    "rules": rules,
                },
            }
        )
        return rule, translate.translate(rule, CLUSTER)
    except Invalid:
        return None


REQUESTS = [
    Request(HOST, method, path, token, frozenset(approved))
    for method in ("GET", "POST")
    for path in ("/a", "/a/b", "/b", "/a%2fb")
    for token in (None, *(Token("i1", *each) for each in product(KEYS, map(frozenset, ("r", "w")))))
    for approved in ((), ("ours",), ("other",))
]


def objects(state):
    return [
        held.emitted(one | {"metadata": {"resourceVersion": "1"} | one["metadata"]}) for one in state.values()
    ]


def identity(resource):
    return resource["kind"], f"{resource['metadata']['namespace']}/{resource['metadata']['name']}"


def taken(state, steps):
    """The states that the API server goes through."""
    for step in steps:
        match step:
            case Apply(resource=resource):
                state = state | {step.id: json.loads(json.dumps(resource))}
            case Delete(id=id_):
                state = {other: one for other, one in state.items() if other != id_}
        yield state


def check(old, new, shuffle=lambda phase: phase):
    """Every state on the way from what one APIRule became to what the other becomes."""
    (before, had), (after, wants) = old, new
    start = {identity(one): one for one in had}
    end = {identity(one): one for one in wants}
    phases = plan(wants, objects(start))
    states = list(taken(start, [step for phase in phases for step in shuffle(list(phase))]))
    assert (states or [start])[-1] == end
    for number, state in enumerate(states):
        assert not unguarded(state.values())
        decide = after if number == len(states) - 1 else both(before, after)
        for request in REQUESTS:
            if app := reaches(state.values(), request, decide):
                assert app in allowed(request, (start, before), (end, after)), (request, number, phases)
    return phases


def allowed(request, *versions):
    """Where it may get to. A token that is not valid may be as good as none."""
    return {
        reaches(state.values(), each, decide)
        for state, decide in versions
        for each in (request, replace(request, token=None))
    }


def version(found):
    rule, resources = found
    return decides(rule), resources


NOTHING = refuses, ()


@given(st.data(), written(), written())
@settings(max_examples=60, deadline=None)
def test_no_edit_opens_what_neither_version_opens(data, old, new):
    check(version(old), version(new), lambda phase: data.draw(st.permutations(phase)))


@pytest.mark.slow
@given(st.data(), written(), written())
@settings(max_examples=600, deadline=None)
def test_no_edit_of_very_many_opens_what_neither_version_opens(data, old, new):
    check(version(old), version(new), lambda phase: data.draw(st.permutations(phase)))


@given(written())
@settings(max_examples=20, deadline=None)
def test_what_is_made_is_guarded_before_it_is_routed_and_what_goes_after(rule):
    kinds = [step.id[0] for phase in check(NOTHING, version(rule)) for step in phase]
    assert kinds.index("VirtualService") == len(kinds) - 1
    kinds = [step.id[0] for phase in check(version(rule), NOTHING) for step in phase]
    assert kinds.index("VirtualService") == 0


def rule(access, path="/*", name="s1"):
    found = parsed([{"path": path, "methods": ["GET"], "service": {"name": name, "port": 80}} | access])
    assert found
    return found


def jwt(*given):
    return {"jwt": tokens(*given)}


def ext(name):
    return {"extAuth": {"authorizers": [name]}}


PUBLIC = {"noAuth": True}
I1, I2 = ("i1", KEYS[0], "r"), ("i2", KEYS[0], "")
SCOPED, REKEYED = ("i1", KEYS[0], "w"), ("i1", KEYS[1], "w")


def written_order(old, new):
    phases = check(version(rule(*old)), version(rule(*new)))
    return [
        [
            f"{type(step).__name__} {step.id[1].split('-')[1] if '-' in step.id[1] else 'route'}"
            for step in phase
        ]
        for phase in phases
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([PUBLIC], [PUBLIC], []),
        ([PUBLIC], [jwt(*I1)], [["Apply jwt"], ["Apply allow"]]),
        ([jwt(*I1)], [PUBLIC], [["Apply allow"], ["Delete jwt"]]),
        ([PUBLIC], [ext("ours")], [["Apply custom"], ["Apply route"]]),
        ([ext("ours")], [PUBLIC], [["Apply route"], ["Delete custom"]]),
        ([ext("ours")], [ext("theirs")], []),
        ([ext("ours")], [ext("other")], [["Apply custom"], ["Apply route"]]),
        (
            [ext("ours")],
            [jwt(*I1)],
            [["Apply jwt"], ["Apply allow"], ["Apply route"], ["Delete custom"]],
        ),
        (
            [jwt(*I1)],
            [ext("ours")],
            [["Apply custom"], ["Apply allow"], ["Apply route"], ["Delete jwt"]],
        ),
        ([jwt(*I1)], [jwt(*SCOPED)], [["Apply allow"]]),
        ([jwt(*I1)], [jwt(*I2)], [["Apply jwt"], ["Apply allow"], ["Apply jwt"]]),
        ([jwt(*I1)], [jwt(*REKEYED)], [["Apply allow"], ["Apply jwt"], ["Apply allow"]]),
        ([PUBLIC, "/a"], [PUBLIC, "/b"], [["Apply allow"], ["Apply route"]]),
        (
            [PUBLIC, "/*", "s1"],
            [PUBLIC, "/*", "s2"],
            [["Apply allow"], ["Apply route"], ["Delete allow"]],
        ),
        (
            [ext("ours"), "/a"],
            [ext("ours"), "/b"],
            [["Apply custom"], ["Apply allow"], ["Apply route"], ["Apply custom"]],
        ),
        (
            [jwt(*REKEYED)],
            [{"extAuth": {"authorizers": ["ours"], "restrictions": tokens(*SCOPED)}}],
            [["Apply custom"], ["Apply jwt"], ["Apply route"]],
        ),
    ],
)
def test_an_edit_is_written_in_the_order_that_is_safe(old, new, expected):
    assert written_order(old, new) == expected


def at(hosts, access, name="s1"):
    """What an APIRule for these hosts becomes."""
    _, found = rule(access, name=name)
    *guards, route = json.loads(json.dumps(found).replace(HOST, " ".join(hosts)))
    return [*guards, route | {"spec": route["spec"] | {"hosts": hosts}}]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ((["a"], PUBLIC), (["b"], PUBLIC), ["Delete route", "Apply allow", "Apply route b"]),
        ((["a", "b"], PUBLIC), (["b", "c"], PUBLIC), ["Apply route b", "Apply allow", "Apply route b c"]),
        ((["a"], PUBLIC), (["a", "b"], PUBLIC), ["Apply allow", "Apply route a b"]),
        (
            (["a"], PUBLIC, "s1"),
            (["b"], PUBLIC, "s2"),
            ["Delete route", "Apply allow", "Delete allow", "Apply route b"],
        ),
        (
            (["a", "b"], PUBLIC, "s1"),
            (["b"], PUBLIC, "s2"),
            ["Apply route b", "Apply allow", "Apply route b", "Delete allow"],
        ),
    ],
)
def test_hosts_that_are_given_up_are_left_first(old, new, expected):
    phases = plan(at(*new), objects({identity(one): one for one in at(*old)}))
    assert [described(step) for phase in phases for step in phase] == expected


def described(step):
    hosts = step.resource["spec"].get("hosts", []) if isinstance(step, Apply) else []
    what = step.id[1].split("-")[1] if "-" in step.id[1] else "route"
    return " ".join([type(step).__name__, what, *hosts])


def test_pods_that_a_service_moves_to_are_closed_until_all_guards_have_moved():
    _, had = rule(ext("ours"))
    moved = json.loads(json.dumps(had).replace('"one"', '"three"'))
    first, *rest = plan(moved, objects({identity(one): one for one in had}))
    (closed,) = (step.resource["spec"] for step in first if isinstance(step, Apply))
    assert (closed["rules"], closed["selector"]) == ([], {"matchLabels": {"app": "three"}})
    assert [step.id[1].split("-")[1] for phase in rest for step in phase] == ["custom", "allow"]


def test_what_another_controller_left_goes_once_ours_stands():
    _, wants = rule(jwt(*I1))
    theirs = [json.loads(json.dumps(one)) for one in wants]
    for one in theirs:
        one["metadata"]["name"] = "shop-x7k2p"
    phases = plan(wants, objects({identity(one): one for one in theirs}))
    names = [(type(step).__name__, step.id[0]) for phase in phases for step in phase]
    assert names == [
        ("Apply", "RequestAuthentication"),
        ("Apply", "AuthorizationPolicy"),
        ("Apply", "VirtualService"),
        ("Delete", "VirtualService"),
        ("Delete", "AuthorizationPolicy"),
        ("Delete", "RequestAuthentication"),
    ]
