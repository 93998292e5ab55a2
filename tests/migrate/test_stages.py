"""The way from stage to stage, without a cluster: whatever is interrupted, its hosts are served."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from authz import config
from authz.controller.kinds import key
from authz.istio.migration import STAGE
from authz.migrate.stages import cluster, differing, saved, survey
from authz.migrate.stages import steps as stages
from authz.migrate.stages.hindrances import through_oathkeeper
from authz.migrate.stages.steps import Stage, Step
from authz.migrate.stages.surveyed import Survey
from authz.migrate.stages.writes import Mark, Put, Remove, Still, Write

SETTINGS = config.parse("istio: {provider: authz}")
SHADOW = "authz-shadow.authz-system:8080"
PROXY = "ory-oathkeeper-proxy.kyma-system.svc.cluster.local"
KYMAS = {
    "apirule.gateway.kyma-project.io/name": "orders",
    "apirule.gateway.kyma-project.io/namespace": "shop",
}
State = dict[tuple[str, str], dict[str, Any]]


def made(kind: str, name: str, spec: dict[str, Any], version: str = "v1", **metadata: Any) -> dict[str, Any]:
    namespace, _, name = name.rpartition("/")
    named = {"name": name, "namespace": namespace or "shop", **metadata}
    return {"apiVersion": version, "kind": kind, "metadata": named, "spec": spec}


def service(name: str) -> dict[str, Any]:
    app = name.rpartition("/")[2]
    return made("Service", name, {"selector": {"app": app}, "ports": [{"port": 80}]})


def route(name: str, host: str = "orders.example.com", to: str = PROXY, **metadata: Any) -> dict[str, Any]:
    http = [{"route": [{"destination": {"host": to}}]}]
    spec = {"hosts": [host], "gateways": ["istio-system/gateway"], "http": http}
    return made("VirtualService", name, spec, "networking.istio.io/v1", **metadata)


def old_rule(name: str = "orders-0", service: str = "orders") -> dict[str, Any]:
    match = {"url": f"<http|https>://{service}.example.com</.*>", "methods": ["GET"]}
    upstream = {"url": f"http://{service}.shop.svc.cluster.local:80"}
    return made("Rule", name, {"match": match, "upstream": upstream}, "oathkeeper.ory.sh/v1alpha1")


def wanted(name: str = "orders", service: str = "orders", **spec: Any) -> dict[str, Any]:
    rules = [{"path": "/*", "methods": ["GET"], "noAuth": True}]
    whole = {
        "hosts": [f"{name}.example.com"],
        "gateway": "istio-system/gateway",
        "service": {"name": service, "port": 80},
        "rules": rules,
    }
    return made("APIRule", name, whole | spec, "gateway.kyma-project.io/v2")


GATEWAY = made(
    "Gateway",
    "istio-system/gateway",
    {
        "selector": {"istio": "ingressgateway"},
        "servers": [{"port": {"number": 443}, "hosts": ["*.example.com"]}],
    },
    "networking.istio.io/v1",
)
OATHKEEPER = [
    service("kyma-system/ory-oathkeeper-proxy"),
    made(
        "EndpointSlice",
        "kyma-system/ory-oathkeeper-proxy-x",
        {},
        "discovery.k8s.io/v1",
        labels={"kubernetes.io/service-name": "ory-oathkeeper-proxy"},
    )
    | {"endpoints": [{"conditions": {"ready": True}}]},
]
OLD = [
    GATEWAY,
    service("orders"),
    service("notes"),
    route("orders-x7k2p", labels=KYMAS),
    old_rule(),
    *OATHKEEPER,
]


def state(*more: dict[str, Any]) -> State:
    return {(one["kind"], key(one)): one for one in [*OLD, *more]}


def planned(now: State, *apirules: dict[str, Any], shadow: str = "") -> survey.Planned:
    (first, *_) = survey.plan(Survey(tuple(now.values()), SETTINGS), list(apirules) or [wanted()], shadow)
    return first


def written(now: State, one: Write) -> None:
    match one:
        case Put(kind, document):
            name = kind.name, key(document)
            now[name] = cluster.changed(document, now.get(name, {"metadata": {}}))
        case Remove(kind, name):
            now.pop((kind.name, name), None)
        case Still(kind, document):
            assert now[kind.name, key(document)]["spec"] == document["spec"]
        case Mark(name, annotations, was):
            there = now["APIRule", name]
            before = saved.annotations(there)
            assert before.get(STAGE, "") in (was, annotations.get(STAGE) or "")
            marks = before | dict(annotations)
            kept = {mark: text for mark, text in marks.items() if text is not None}
            now["APIRule", name] = there | {"metadata": there["metadata"] | {"annotations": kept}}


def writes(steps: Iterable[Step]) -> Iterator[Write]:
    return (one for step in steps for one in step.writes)


def at(stage: Stage) -> State:
    """The cluster once an APIRule has come so far, by way of the shadow."""
    now = state()
    for to in [one for one in Stage if Stage.BEFORE < one <= stage]:
        for one in writes(stages.forward(planned(now, shadow=SHADOW).item, to)):
            written(now, one)
    return now


def is_served(now: State) -> bool:
    """By the old route, or by ours, for which the controller waits for the annotation."""
    rule = now.get(("APIRule", "shop/orders"))
    mark = saved.annotations(rule).get(STAGE, "") if rule else "none"
    return ("VirtualService", "shop/orders-x7k2p") in now or mark in ("switch", "")


def admits_gateway(now: State) -> bool:
    """Past the new rules."""
    policies = [one for (kind, _), one in now.items() if kind == "AuthorizationPolicy"]
    return any("principals" in json.dumps(one["spec"]).split('"') for one in policies)


@pytest.mark.parametrize("stage", Stage)
def test_each_stage_is_known_again_by_what_it_has_left(stage):
    assert planned(at(stage)).item.stage is stage


@pytest.mark.parametrize("to", [stage for stage in Stage if stage is not Stage.BEFORE])
def test_what_is_interrupted_at_any_write_goes_on_and_ends_alike(to):
    before, expected = Stage(to - 1), at(to)
    total = len(list(writes(stages.forward(planned(at(before), shadow=SHADOW).item, to))))
    for stop in range(total):
        now = at(before)
        for number, one in zip(count(), writes(stages.forward(planned(now, shadow=SHADOW).item, to))):
            if number == stop:
                break
            written(now, one)
            assert is_served(now)
        found = planned(now, shadow=SHADOW)
        assert found.obstacles == ()
        again = found.item
        if again.stage < to:
            for one in writes(stages.forward(again, to)):
                written(now, one)
                assert is_served(now)
        else:
            for one in writes(stages.forward(again, to)):
                written(now, one)
        assert now == expected


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.BEFORE])
def test_undo_comes_back_to_the_stage_before_and_serves_all_the_way(stage):
    now = at(stage)
    to, steps = stages.back(planned(now).item)
    for one in writes(steps):
        written(now, one)
        assert is_served(now)
        assert planned(now).obstacles == ()
    assert to is Stage(stage - 1)
    assert planned(now).item.stage is to


def test_the_gateway_passes_by_the_new_rules_alone_before_the_new_route_stands():
    now = at(Stage.SHADOW)
    assert admits_gateway(now)
    for step in stages.forward(planned(now).item, Stage.SWITCH):
        for one in step.writes:
            written(now, one)
        if step.awaited == "switch":
            assert not admits_gateway(now)


def test_nothing_is_written_before_what_stands_is_kept():
    first = next(writes(stages.forward(planned(state()).item, Stage.PREPARE)))
    assert isinstance(first, Put)
    kept = saved.read(first.document)
    assert [key(one) for one in kept.routes] == ["shop/orders-x7k2p"]
    assert [key(one) for one in kept.rules] == ["shop/orders-0"]


def allow(name: str = "theirs", rules: Any = (), **spec: Any) -> dict[str, Any]:
    whole = {"action": "ALLOW", "rules": list(rules)} | spec
    return made("AuthorizationPolicy", name, whole, "security.istio.io/v1")


def root(namespace: str) -> dict[str, Any]:
    return made("ConfigMap", "istio-system/istio", {}) | {"data": {"mesh": f"rootNamespace: {namespace}"}}


@pytest.mark.parametrize(
    "there",
    [
        [allow(selector={"matchLabels": {"app": "orders"}}, rules=[{}])],
        [allow(rules=[{"from": [{"source": {"namespaces": ["shop"]}}]}])],
        [made("AuthorizationPolicy", "istio-system/allow-nothing", {})],
        [allow("istio-system/theirs", selector={"matchLabels": {"app": "orders"}})],
        [root("mesh"), allow("mesh/allow-nothing")],
    ],
)
def test_a_workload_that_has_an_allow_already_is_not_opened(there):
    item = planned(state(*there)).item
    assert item.admissions == ()
    assert not [one for one in writes(stages.forward(item, Stage.PREPARE)) if "Policy" in str(one)]


@pytest.mark.parametrize(
    "there",
    [
        [allow("other/theirs")],
        [allow(selector={"matchLabels": {"app": "notes"}})],
        [allow(action="DENY", rules=[{}])],
        [allow(targetRefs=[{"kind": "Gateway", "name": "waypoint"}])],
        [root("mesh"), allow("istio-system/allow-nothing")],
    ],
)
def test_a_workload_that_other_policies_leave_alone_keeps_its_callers(there):
    found = planned(state(*there))
    assert found.item.admissions
    assert found.obstacles == ()


@pytest.mark.parametrize(
    ("source", "passes"),
    [
        (None, True),
        ({}, True),
        ({"ipBlocks": ["10.0.0.0/8"]}, True),
        ({"requestPrincipals": ["*"]}, True),
        ({"namespaces": ["istio-system", "kyma-system"]}, True),
        ({"namespaces": ["kyma-system"]}, False),
        ({"principals": ["*"]}, True),
        ({"principals": ["old-domain/ns/istio-system/*"]}, True),
        ({"principals": ["*/sa/istio-ingressgateway-service-account"]}, True),
        ({"principals": ["cluster.local/ns/kyma-system/sa/oathkeeper"]}, False),
        ({"serviceAccounts": ["istio-system/istio-ingressgateway-service-account"]}, True),
        ({"serviceAccounts": ["istio-ingressgateway-service-account"]}, False),
        ({"notPrincipals": [SETTINGS.istio.gateway_principal]}, False),
        ({"notPrincipals": ["cluster.local/ns/bank/*"]}, True),
        ({"notNamespaces": ["istio-*"]}, False),
    ],
)
def test_an_allow_of_others_that_the_gateway_would_pass_by_is_in_the_way(source, passes):
    rule = {"to": [{"operation": {"paths": ["/healthz"]}}]} | (
        {"from": [{"source": source}]} if source else {}
    )
    found = planned(state(allow(rules=[rule]))).obstacles
    assert [line.partition(" from")[0] for line in found] == (
        ["AuthorizationPolicy shop/theirs may admit the gateway past the new rules"] if passes else []
    )


def test_a_guard_that_somebody_sets_up_on_the_way_is_not_passed_by():
    (line,) = planned(at(Stage.SHADOW) | {("AuthorizationPolicy", "shop/theirs"): allow()}).obstacles
    assert line.startswith("AuthorizationPolicy shop/theirs guards the workload only since this began")


@pytest.mark.parametrize(
    ("more", "apirule", "message"),
    [
        (route("orders"), wanted(), "VirtualService shop/orders has the name of the APIRule"),
        (route("bank/other"), wanted(), "VirtualService bank/other serves orders.example.com from another"),
        (route("x", to="orders", host="y.example.com"), wanted(), "leads y.example.com to the same workload"),
        (old_rule("bank/orders-0"), wanted(), "Rule bank/orders-0 is for orders.example.com too"),
        (service("other"), wanted(service="missing"), "Service shop/missing not found"),
        (service("other"), wanted(rules=[]), "No rules defined"),
    ],
)
def test_what_stands_in_the_way_is_said(more, apirule, message):
    assert any(message in line for line in planned(state(more), apirule).obstacles)


@pytest.mark.parametrize(
    ("part", "is_in_the_way"),
    [
        ({"rewrite": {"authority": "orders.internal"}}, True),
        ({"headers": {"request": {"set": {"Host": "orders.internal"}}}}, True),
        ({"headers": {"request": {"set": {":authority": "orders.internal"}}}}, True),
        ({"rewrite": {"authority": "orders.example.com"}}, False),
        ({"rewrite": {"uri": "/"}}, False),
        ({"headers": {"request": {"set": {"x-from": "orders.internal"}}}}, False),
    ],
)
def test_a_route_that_gives_the_workload_another_host_is_in_the_way(part, is_in_the_way):
    straight = {"route": [{"destination": {"host": "orders.shop.svc.cluster.local"}}]} | part
    there = route("orders-x7k2p", labels=KYMAS)
    there["spec"]["http"].insert(0, straight)
    found = planned(state(there)).obstacles
    assert any("sends requests to the workload as orders.internal" in one for one in found) is is_in_the_way


def test_a_route_to_oathkeeper_may_change_the_host():
    there = route("orders-x7k2p", labels=KYMAS)
    there["spec"]["http"][0]["rewrite"] = {"authority": "orders.internal"}
    assert planned(state(there)).obstacles == ()


@pytest.mark.parametrize("selector", [{}, {"istio": "internal"}])
@pytest.mark.parametrize("stage", [Stage.BEFORE, Stage.PREPARE, Stage.SHADOW, Stage.SWITCH])
def test_a_gateway_that_the_guards_do_not_know_is_not_switched_to(stage, selector):
    other = GATEWAY | {"spec": GATEWAY["spec"] | {"selector": selector}}
    (line,) = planned(at(stage) | {("Gateway", key(other)): other}).obstacles
    assert line.startswith(
        "Gateway istio-system/gateway is not known to run on pods labelled istio=ingressgateway"
    )


def test_somebody_who_writes_the_old_route_meanwhile_is_named():
    now = at(Stage.SHADOW)
    there = now["VirtualService", "shop/orders-x7k2p"]
    fields = [{"manager": "kyma", "time": "2026-01-02T00:00:00Z"}, {"manager": "us", "time": "2026-01-01"}]
    metadata = there["metadata"] | {"managedFields": fields}
    now["VirtualService", "shop/orders-x7k2p"] = there | {"metadata": metadata, "spec": {"hosts": []}}
    (line,) = planned(now).obstacles
    assert line.startswith("VirtualService shop/orders-x7k2p is not as it was when this began, kyma wrote it")


@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.SHADOW, Stage.SWITCH])
def test_rules_that_were_mended_in_the_file_alone_go_no_further(stage):
    (line,) = planned(at(stage), wanted(rules=[{"path": "/a", "methods": ["GET"], "noAuth": True}])).obstacles
    assert line.startswith("the APIRule in the cluster is not what the file says: undo it to before")


PLANTED = saved.Saved("shop/orders", routes=(route("orders-x7k2p", labels=KYMAS),))


@pytest.mark.parametrize(
    "kept",
    [
        replace(PLANTED, routes=(route("bank/hijack", host="bank.example.com"),)),
        replace(PLANTED, rules=(old_rule("bank/bank-0"),)),
        replace(PLANTED, routes=(old_rule(),)),
        replace(PLANTED, rules=(old_rule() | {"spec": {"match": "nonsense"}},)),
        replace(PLANTED, rules=(route("orders-x7k2p"),)),
        replace(PLANTED, apirule=wanted("bank/orders")),
        replace(PLANTED, apirule=wanted("archive")),
    ],
)
def test_a_planted_secret_sends_nobody_to_objects_of_others(kept):
    now = at(Stage.SWITCH) | {("Secret", "shop/orders-migration"): saved.secret(kept)}
    found = planned(now)
    assert "somebody has edited it" in found.obstacles[0]
    assert stages.back(found.item) == (Stage.BEFORE, ())


def ruled(url: str) -> dict[str, Any]:
    there = old_rule()
    return there | {"spec": there["spec"] | {"match": {"url": url, "methods": ["GET"]}}}


def labelled(there: dict[str, Any]) -> dict[str, Any]:
    return there | {"metadata": there["metadata"] | {"labels": KYMAS}}


def elsewhere(gateways: Any) -> dict[str, Any]:
    there = route("orders-x7k2p", labels=KYMAS)
    return there | {"spec": there["spec"] | {"gateways": gateways}}


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.BEFORE])
@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (replace(PLANTED, routes=(route("evil", host="pay.example.com"),)), "evil, which also serves pay."),
        (replace(PLANTED, routes=(route("evil", host="*"),)), "evil, which also serves *"),
        (replace(PLANTED, routes=(elsewhere(["istio-system/other"]),)), "is not of Gateway istio-system/gat"),
        (replace(PLANTED, routes=(elsewhere("nonsense"),)), "is not of Gateway istio-system/gateway"),
        (
            replace(PLANTED, rules=(ruled("https://pay.example.com/<.*>"),)),
            "Rule shop/orders-0, which is not",
        ),
        (replace(PLANTED, rules=(ruled("https://<.*>/<.*>"),)), "is not for the APIRule's hosts alone"),
        (replace(PLANTED, rules=(ruled("https://<orders|pay>.example.com/"),)), "hosts alone"),
        (replace(PLANTED, rules=(ruled("<.*>://orders.example.com/"),)), "hosts alone"),
        (replace(PLANTED, rules=(ruled("<.*>"),)), "hosts alone"),
        (replace(PLANTED, rules=(ruled(""),)), "hosts alone"),
    ],
)
def test_a_planted_secret_brings_no_host_of_others(stage, kept, message):
    kept = replace(kept, finished=stage is Stage.FINISH)
    now = at(stage) | {("Secret", "shop/orders-migration"): saved.secret(kept)}
    found = planned(now)
    assert message in found.obstacles[0]
    assert stages.back(found.item) == (Stage.BEFORE, ())
    assert found.item.kept.routes == ()


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        (["orders"], "<http|https>://orders.example.com</.*>"),
        (["orders.example.com"], "<https?>://Orders.example.com:443/a"),
        (["orders.example.com"], "http<s?>://orders.example.com<.*>"),
        (["orders.example.com"], "<{http,https}>://orders.example.com<(:[0-9]+)?>/<.*>"),
        (["orders.example.com", "pay.example.com"], "https://<orders|pay>.example.com/<.*>"),
    ],
)
def test_what_was_kept_of_its_own_hosts_however_written_comes_back(hosts, url):
    now = state(labelled(ruled(url)))
    for to in (Stage.PREPARE, Stage.SWITCH, Stage.FINISH):
        found = planned(now, wanted(hosts=hosts))
        assert found.obstacles == ()
        for one in writes(stages.forward(found.item, to)):
            written(now, one)
    assert [key(one) for one in planned(now, wanted(hosts=hosts)).item.kept.rules] == ["shop/orders-0"]


def test_a_labelled_rule_of_other_hosts_is_in_the_way_from_the_first():
    (line,) = planned(state(labelled(ruled("https://pay.example.com/")))).obstacles
    assert line.startswith("Rule shop/orders-0 has the APIRule's labels, and is not for its hosts alone")


OURS = route("orders", to="orders", labels=KYMAS)


def lost(now: State, what: str) -> State:
    """Without its Secret, or with the APIRule as a file has it."""
    if what == "Secret":
        return {name: one for name, one in now.items() if name[0] != "Secret"}
    return now | {("APIRule", "shop/orders"): wanted()}


@pytest.mark.parametrize(
    ("stage", "what", "message"),
    [
        (Stage.SHADOW, "Secret", "its annotation says shadow, and Secret shop/orders-migration"),
        (Stage.SWITCH, "Secret", "its annotation says switch, and Secret shop/orders-migration"),
        (Stage.FINISH, "Secret", "it serves its hosts already"),
        (Stage.SHADOW, "mark", "its annotation is gone, as by a Replace, and it serves: put it back with"),
        (Stage.SWITCH, "mark", "its annotation is gone, as by a Replace, and it serves: put it back with"),
    ],
)
def test_what_serves_without_its_mark_or_its_secret_is_not_prepared_again(stage, what, message):
    now = lost(at(stage), what) | {("VirtualService", "shop/orders"): OURS}
    (line,) = planned(now).obstacles
    assert line.startswith(message)


def test_an_old_route_that_is_gone_tells_that_the_mark_is_lost():
    (line,) = planned(lost(at(Stage.SWITCH), "mark")).obstacles
    assert "migration-stage=switch gateway.kyma-project.io/migration-routes=shop/orders-x7k2p`" in line


def test_one_without_its_secret_is_told_of_though_no_file_has_it():
    every = Survey(tuple(lost(at(Stage.SWITCH), "Secret").values()), SETTINGS)
    (found,) = survey.plan(every, [])
    assert found.obstacles


def test_an_edited_secret_stops_it():
    now = at(Stage.PREPARE)
    now["Secret", "shop/orders-migration"]["data"]["before"] = "{}"
    assert "can not be read" in planned(now).obstacles[0]


def test_apirules_of_one_workload_are_told_of_each_other():
    rules = [wanted(), wanted("archive")]
    assert planned(state(), *rules).neighbours == ("shop/archive",)


def test_rules_that_would_be_cut_off_are_found():
    now = at(Stage.SWITCH) | {("Rule", "shop/more"): old_rule("more")}
    item = planned(now).item
    assert through_oathkeeper(Survey(tuple(now.values()), SETTINGS), item, []) == ["shop/more"]


def test_the_dry_run_shows_every_object_as_it_is_and_will_be():
    now = at(Stage.PREPARE)
    steps = stages.forward(planned(now, shadow=SHADOW).item, Stage.SHADOW)
    shown = list(differing.lines(Survey(tuple(now.values()), SETTINGS), steps))
    assert any("+" in line and "host: authz-shadow.authz-system.svc.cluster.local" in line for line in shown)
    assert "-    gateway.kyma-project.io/migration-stage: prepare" in shown
    assert "+    gateway.kyma-project.io/migration-stage: shadow" in shown


def test_secrets_of_old_rules_are_kept_in_a_secret_and_shown_nowhere():
    rule = old_rule()
    handler = {
        "handler": "oauth2_introspection",
        "config": {"pre_authorization": {"client_secret": "hunter2"}},
    }
    rule["spec"]["authenticators"] = [handler]
    rule["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}
    there = wanted() | {"metadata": wanted()["metadata"] | {"annotations": {saved.KYMAS[0]: "hunter2"}}}
    now = state(rule, there)
    shown: list[str] = []

    def take(steps: tuple[Step, ...]) -> None:
        shown.extend(differing.lines(Survey(tuple(now.values()), SETTINGS), steps))
        for one in writes(steps):
            written(now, one)

    for to in [stage for stage in Stage if stage is not Stage.BEFORE]:
        take(stages.forward(planned(now, shadow=SHADOW).item, to))
    assert "hunter2" not in str(now)
    for _ in range(4):
        take(stages.back(planned(now).item)[1])
    assert now["Rule", "shop/orders-0"] == rule
    assert "hunter2" not in "".join(shown)
    assert "Rule shop/orders-0" in "".join(line for line in shown if "before:" in line)
