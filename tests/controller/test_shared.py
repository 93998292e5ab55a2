"""What several share, pods or hosts: who is in place keeps it, also after a restart, and who comes waits."""

from typing import Any

import pytest

from authz.controller.status import Done, Obstructed, Verdict, Waiting
from tests.controller.clusters import EXT, JWT, PUBLIC, apirule, document, gateway, mesh, service
from tests.controller.memory import Memory, Steered
from tests.controller.worlds import of

FOREIGN: dict[str, Any] = {"extAuth": {"authorizers": ["other"]}}
OTHER_KEYS = {"jwt": {"authentications": [{"issuer": "https://i", "jwksUri": "https://i/other"}]}}
OTHER_ISSUER = {"jwt": {"authentications": [{"issuer": "https://j", "jwksUri": "https://i/other"}]}}
THEIRS = {"service": {"name": "s1", "namespace": "shop", "port": 80}}
ELSEWHERE = {"service": {"name": "s2", "port": 80}}
MISSING = {"service": {"name": "missing", "port": 80}}


class Life:
    """A cluster, its controller, and what came of each APIRule at last."""

    def __init__(self) -> None:
        self.memory = Memory()
        for made in (service("s1", {"app": "one"}), service("s2", {"app": "two"}), gateway(), mesh()):
            self.memory.put(made)
        self.controller = Steered(self.memory, self.memory.documents.values())

    async def put(self, *documents: dict[str, Any], year: int = 25, **metadata: Any) -> dict[str, str]:
        for made in documents:
            self.memory.put(made, year, **metadata)
        return worded(await self.controller.settle())

    async def restart(self) -> dict[str, str]:
        self.controller = Steered(self.memory, self.memory.documents.values())
        return worded(await self.controller.again())

    def id_of(self, kind: str, name: str) -> tuple[str, str]:
        """Of an object that an APIRule of this name has."""
        return next(id_ for id_ in self.memory.documents if id_[0] == kind and f"/{name}-" in f"{id_[1]}-")

    def has(self, name: str, kind: str = "") -> bool:
        """It has objects, or such ones."""
        return any(
            one != "APIRule" and kind in ("", one) and f"/{name}-" in f"{key}-"
            for one, key in self.memory.documents
        )

    def named(self, kind: str, text: str) -> bool:
        """Some object of the kind holds it."""
        return any(
            text in str(one["spec"]) for (name, _), one in self.memory.documents.items() if name == kind
        )


def worded(outcomes: dict[str, Verdict]) -> dict[str, str]:
    return {key.partition("/")[2]: wording(one) for key, one in outcomes.items()}


def wording(verdict: Verdict) -> str:
    match verdict:
        case Done():
            return "done"
        case Waiting(message=message):
            return message
        case Obstructed(problems=problems):
            return "; ".join(problem.message for problem in problems)
        case _:
            return str(verdict)


DIFFERING = [
    (JWT, OTHER_KEYS, "verified by APIRule"),
    (EXT, FOREIGN, "one extension provider per workload"),
]


@pytest.mark.parametrize(("first", "second", "problem"), DIFFERING)
async def test_who_is_on_the_pods_settles_what_an_older_one_at_home_has_to_agree_on(first, second, problem):
    life = Life()
    await life.put(of("evil", apirule("placed", first | THEIRS)), year=25)
    outcomes = await life.put(apirule("older", second), year=20)
    assert outcomes["placed"] == "done"
    assert problem in outcomes["older"]
    assert await life.restart() == outcomes


@pytest.mark.parametrize(("first", "second", "problem"), DIFFERING)
async def test_who_has_settled_it_and_changes_it_has_to_agree_with_those_at_home(first, second, problem):
    life = Life()
    await life.put(of("evil", apirule("settler", first | THEIRS)), year=20)
    assert await life.put(apirule("home", first), year=25) == {"settler": "done", "home": "done"}
    outcomes = await life.put(of("evil", apirule("settler", second | THEIRS)), year=20)
    assert outcomes["home"] == "done"
    assert problem in outcomes["settler"]


@pytest.mark.parametrize("second", [OTHER_ISSUER, PUBLIC, OTHER_KEYS | ELSEWHERE])
async def test_who_says_nothing_else_of_the_same_has_nothing_to_agree_on(second):
    life = Life()
    await life.put(apirule("first", JWT))
    assert await life.put(apirule("second", second)) == {"first": "done", "second": "done"}


UNHEARD = {"unheard": "of"}


@pytest.mark.parametrize("fault", [MISSING, THEIRS | UNHEARD], ids=["obstructed", "unreadable"])
@pytest.mark.parametrize(("first", "second", "_"), DIFFERING)
async def test_who_can_not_follow_has_settled_it_until_it_is_mended(first, second, _, fault):
    life = Life()
    await life.put(of("evil", apirule("settler", first | THEIRS)))
    await life.put(of("evil", apirule("settler", first | fault)))
    for outcomes in (await life.put(apirule("home", second)), await life.restart()):
        assert outcomes["home"].startswith("The policies of APIRule evil/settler have the same pods verify")
    assert not life.has("home")
    assert (await life.put(of("evil", apirule("settler", second | THEIRS))))["settler"] == "done"
    assert (await life.put())["home"] == "done"


async def test_to_say_the_same_and_not_to_be_valid_is_not_to_follow():
    life = Life()
    settler = {"path": "/a"} | THEIRS
    await life.put(of("evil", apirule("settler", [OTHER_KEYS | settler])))
    await life.put(of("evil", apirule("settler", [JWT | settler, PUBLIC | MISSING])), apirule("home", JWT))
    assert not life.has("home")


@pytest.mark.parametrize(("first", "second", "_"), DIFFERING)
async def test_who_goes_has_settled_it_until_its_guards_have_gone(first, second, _):
    life = Life()
    life.controller._reconciler.guards_outlive_s = 1_000.0
    await life.put(of("evil", apirule("settler", first | THEIRS)))
    life.memory.remove("APIRule", "evil/settler")
    outcomes = await life.put(apirule("home", second))
    assert outcomes["home"] == "Waits for APIRule evil/settler to take its policies from these pods"
    assert not life.has("home")
    life.controller._reconciler.guards_outlive_s = 0.0
    assert await life.put() == {"home": "done"}


async def test_what_a_waiting_one_made_of_its_last_version_goes_if_its_guards_do():
    life = Life()
    await life.put(of("evil", apirule("settler", OTHER_KEYS | THEIRS)))
    await life.put(of("evil", apirule("settler", OTHER_KEYS | MISSING)))
    await life.put(apirule("home", OTHER_KEYS))
    await life.put(apirule("home", JWT))
    assert life.has("home")
    life.memory.remove("AuthorizationPolicy", life.id_of("AuthorizationPolicy", "home")[1])
    await life.put()
    assert not life.has("home", "VirtualService")


@pytest.mark.parametrize("order", ["abc", "cba", "bca"])
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("first", "second", "_"), DIFFERING)
async def test_those_who_share_pods_may_all_change_to_the_same(first, second, _, at_once, order):
    life = Life()
    await life.put(*(apirule(name, first) for name in "abc"))
    for name in order:
        life.memory.put(apirule(name, second), 25)
        if not at_once:
            await life.put()
    assert await life.put() == dict.fromkeys("abc", "done")


async def test_who_waits_for_one_that_can_not_follow_can_not_either():
    """It says what the newcomer says, but its last version stays."""
    life = Life()
    elsewhere = ELSEWHERE["service"] | {"namespace": "shop"}
    await life.put(of("evil", apirule("bad", FOREIGN | {"service": elsewhere})))
    await life.put(of("evil", apirule("bad", FOREIGN | MISSING)))
    await life.put(of("evil", apirule("settler", OTHER_KEYS | THEIRS)))
    follows = [{"path": "/a"} | JWT | THEIRS, EXT | {"service": elsewhere}]
    outcomes = await life.put(of("evil", apirule("settler", follows)), apirule("home", JWT))
    assert "APIRule evil/bad" in outcomes["settler"]
    assert "APIRule evil/settler" in outcomes["home"]
    assert not life.has("home")
    life.memory.remove("APIRule", "evil/bad")
    assert await life.put() == {"settler": "done", "home": "done"}


async def test_who_stands_beside_one_that_can_not_follow_is_kept_as_it_is():
    life = Life()
    await life.put(apirule("b", JWT), of("evil", apirule("a", JWT | THEIRS)))
    await life.put(of("evil", apirule("a", JWT | THEIRS | UNHEARD)))
    assert (await life.put(apirule("b", [JWT, PUBLIC | {"path": "/b", "methods": ["POST"]}])))["b"] == "done"


@pytest.mark.parametrize("access", [JWT, EXT])
async def test_after_a_restart_too_a_route_goes_if_a_guard_of_its_last_version_does(access):
    for number in range(2):
        life = Life()
        await life.put(apirule("a", [access, PUBLIC | {"path": "/b", "methods": ["POST"]}]))
        await life.put(apirule("a", access | MISSING))
        await life.restart()
        assert life.has("a", "VirtualService")
        guards = [id_ for id_ in life.memory.documents if id_[1].startswith("shop/a-")]
        life.memory.remove(*guards[number])
        await life.put()
        assert not life.has("a", "VirtualService")


@pytest.mark.parametrize(
    ("namespace", "selector"),
    [("shop", {"app": "one"}), ("istio-system", {"app": "one"}), ("shop", {"istio": "ingressgateway"})],
)
async def test_a_workload_of_which_only_the_question_is_left_is_not_guarded(namespace, selector):
    """The ALLOW went while nobody looked: a CUSTOM is a trigger, and no guard, but at the gateway."""
    life = Life()
    await life.put(of(namespace, service("s9", selector)))
    there = {"service": {"name": "s9", "namespace": namespace, "port": 80}}
    await life.put(apirule("a", [EXT | there | {"methods": ["POST"]}, JWT | there]))
    life.controller.concerned.clear()
    life.memory.heard.clear()
    life.memory.put(apirule("a", JWT | MISSING), 25)
    life.memory.remove(*next(id_ for id_ in life.memory.documents if "/a-allow-" in id_[1]))
    await life.restart()
    assert not life.has("a", "VirtualService")


async def test_a_refused_newcomer_settles_nothing_between_newcomers():
    life = Life()
    await life.put(apirule("holder", PUBLIC, "busy.example.com"), year=19)
    decoy, young = apirule("decoy", OTHER_KEYS, "busy.example.com"), apirule("young", JWT)
    for made in (decoy, young):
        life.memory.put(made, 20 if made is decoy else 25)
    outcomes = worded(await life.controller.settle())
    assert outcomes["young"] == "done"
    assert "occupied by APIRule shop/holder" in outcomes["decoy"]


async def departed(access: dict[str, Any], host: str = "h.example.com") -> Life:
    """One that is not valid any more: its Gateway does not give it the host that its policies still admit."""
    life = Life()
    assert await life.put(of("evil", apirule("gone", access | THEIRS, host))) == {"gone": "done"}
    only = gateway()
    only["spec"]["servers"][0]["hosts"] = ["shop/*"]
    outcomes = await life.put(only)
    assert "serves shop/* only" in outcomes["gone"]
    return life


@pytest.mark.parametrize("routed", [True, False])
@pytest.mark.parametrize("host", ["h.example.com", "*.example.com"])
async def test_no_route_begins_while_the_policies_of_another_admit_requests_to_its_host(host, routed):
    life = await departed(PUBLIC, host)
    if not routed:
        life.memory.remove("VirtualService", "evil/gone")
    for outcomes in (await life.put(apirule("new", JWT, "h.example.com")), await life.restart()):
        assert "policies of APIRule evil/gone admit requests to these hosts" in outcomes["new"]
    assert ("VirtualService", "shop/new") not in life.memory.documents


@pytest.mark.parametrize(
    "new",
    [
        apirule("new", JWT, "other.example.com"),
        apirule("new", JWT | ELSEWHERE, "h.example.com"),
        apirule("new", JWT, "h.example.com", enforcement="Gateway"),
    ],
    ids=["another host", "other pods", "at the gateway"],
)
async def test_a_route_begins_where_those_policies_admit_nobody(new):
    life = await departed(PUBLIC)
    life.memory.remove("VirtualService", "evil/gone")
    assert (await life.put(new))["new"] == "done"


async def test_a_policy_that_only_asks_is_not_waited_for():
    life = Life()
    await life.put(apirule("wide", EXT, "*.example.com", enforcement="Gateway"))
    await life.put(apirule("wide", EXT | MISSING, "*.example.com", enforcement="Gateway"))
    assert (await life.put(apirule("new", EXT, enforcement="Gateway")))["new"] == "done"


async def test_a_wildcard_leaves_out_of_its_policies_what_others_have_below_it():
    life = Life()
    await life.put(apirule("wide", PUBLIC, "*.example.com"))
    assert not life.named("AuthorizationPolicy", "notHosts")
    await life.put(apirule("below", JWT, "below.example.com"))
    assert life.named("AuthorizationPolicy", "'notHosts': ['below.example.com'")
    life.memory.remove("APIRule", "shop/below")
    await life.controller.settle()
    assert not life.named("AuthorizationPolicy", "notHosts")


async def test_what_an_unreadable_one_serves_is_nobody_elses():
    life = Life()
    await life.put(apirule("a", PUBLIC, "h.example.com"))
    await life.put(apirule("a", PUBLIC | {"unheard": "of"}, "h.example.com"))
    outcomes = await life.put(apirule("b", PUBLIC, "h.example.com"))
    assert (
        outcomes["b"] == "Host h.example.com is occupied by APIRule shop/a, whose last valid version has it"
    )
    life.memory.remove("APIRule", "shop/a")
    assert worded(await life.controller.settle())["b"] == "done"


def stranger(host: str = "h.example.com", name: str = "theirs") -> dict[str, Any]:
    spec = {"hosts": [host], "gateways": ["istio-system/main"]}
    return document("networking.istio.io/v1", "VirtualService", name, "shop", spec=spec)


async def test_a_stranger_who_serves_a_host_has_it_though_he_is_younger():
    life = Life()
    await life.put(stranger(), year=26)
    outcomes = await life.put(apirule("a", PUBLIC, "h.example.com"), year=20)
    assert outcomes["a"] == "Host h.example.com is occupied by VirtualService shop/theirs"


async def test_a_stranger_who_comes_to_a_host_that_we_serve_does_not_take_it():
    life = Life()
    await life.put(apirule("a", PUBLIC, "h.example.com"), year=20)
    assert await life.put(stranger(), year=19) == {"a": "done"}


async def test_a_virtual_service_of_an_apirules_name_is_not_overwritten():
    life = Life()
    await life.put(stranger("elsewhere.org", name="a"))
    outcomes = await life.put(apirule("a", PUBLIC))
    assert "VirtualService shop/a exists, and no APIRule has become it" in outcomes["a"]
    assert life.memory.documents["VirtualService", "shop/a"]["spec"]["hosts"] == ["elsewhere.org"]


async def test_an_object_that_is_called_another_ones_by_hand_is_called_by_its_name_again():
    life = Life()
    await life.put(apirule("a", PUBLIC), apirule("b", PUBLIC))
    for kind in ("VirtualService", "AuthorizationPolicy"):
        id_ = next(id_ for id_ in life.memory.documents if id_[0] == kind and id_[1].startswith("shop/a"))
        was = life.memory.documents[id_]
        labels = was["metadata"]["labels"] | {"apirule.gateway.kyma-project.io/name": "b"}
        await life.put(was | {"metadata": was["metadata"] | {"labels": labels}})
        assert life.memory.documents[id_]["metadata"]["labels"] == was["metadata"]["labels"]
        assert life.memory.documents[id_]["spec"] == was["spec"]


async def test_a_provider_that_the_mesh_has_no_more_is_told():
    life = Life()
    await life.put(apirule("a", FOREIGN))
    outcomes = await life.put(mesh("[{name: authz}]"))
    assert 'Authorizer "other" not found' in outcomes["a"]


async def test_what_an_apirule_left_that_was_taken_away_by_force_goes_at_a_restart():
    life = Life()
    await life.put(apirule("a", JWT))
    life.memory._forget("APIRule", "shop/a")
    life.controller.concerned.clear()
    assert life.named("VirtualService", "a.example.com")
    await life.restart()
    assert {kind for kind, _ in life.memory.documents} == {"Service", "Gateway", "ConfigMap"}
