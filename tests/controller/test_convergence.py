"""Whatever happens in whatever order, what comes of it is what the cluster says, and nobody is forgotten."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from authz.controller.kinds import Document
from tests.controller.clusters import EXT, PUBLIC, apirule, document, gateway, mesh, service
from tests.controller.memory import Memory, Steered
from tests.controller.worlds import of

STAGE = {"gateway.kyma-project.io/migration-stage": "guard"}
UNKNOWN_STAGE = {"gateway.kyma-project.io/migration-stage": "unheard-of"}
FOREIGN = {"extAuth": {"authorizers": ["other"]}}
ELSEWHERE = {"service": {"name": "s2", "port": 80}}
THEIRS = {"service": {"name": "s1", "namespace": "shop", "port": 80}}
MISSING = {"service": {"name": "missing", "port": 80}}


def jwt(keys: str) -> Document:
    return {"jwt": {"authentications": [{"issuer": "https://i", "jwksUri": f"https://i/{keys}"}]}}


def at(*hosts: str, **selector: str) -> Document:
    port = {"number": 443, "name": "https", "protocol": "HTTP"}
    spec = {
        "selector": selector or {"istio": "ingressgateway"},
        "servers": [{"port": port, "hosts": list(hosts)}],
    }
    return gateway() | {"spec": spec}


def routing(name: str, host: str, gateway: str = "istio-system/main") -> Document:
    """Somebody else's."""
    spec = {"hosts": [host], "gateways": [gateway]}
    return document("networking.istio.io/v1", "VirtualService", name, "shop", spec=spec)


def said(made: Document, annotations: dict[str, str]) -> Document:
    return made | {"metadata": made["metadata"] | {"annotations": annotations}}


ACCESS = [PUBLIC, jwt("1"), jwt("2"), EXT, FOREIGN]
HOSTS = ["a.example.com", "b.example.com", "*.example.com", "short"]

APIRULES = [
    *(apirule(name, access, host) for name in "ab" for access in ACCESS for host in HOSTS),
    *(apirule(name, access | ELSEWHERE, "a.example.com") for name in "ab" for access in (PUBLIC, EXT)),
    *(apirule("a", access, "*.example.com", enforcement="Gateway") for access in (EXT, PUBLIC)),
    apirule("b", EXT, "b.example.com", enforcement="Gateway"),
    apirule("b", PUBLIC, "b.example.com", gateway="no/where"),
    apirule("a", PUBLIC | MISSING, "a.example.com"),
    apirule("a", PUBLIC | {"unheard": "of"}, "a.example.com"),
    *(said(apirule("a", PUBLIC, "a.example.com"), marks) for marks in (STAGE, UNKNOWN_STAGE)),
    *(of("evil", apirule("c", access | THEIRS, "a.example.com")) for access in ACCESS),
    of("evil", apirule("c", jwt("2") | THEIRS, "c.example.com")),
    apirule("a", PUBLIC, "*.example.com"),
    apirule("b", PUBLIC, "b.example.com", corsPolicy={"allowOrigins": [{"exact": "https://o.example.com"}]}),
]
AROUND = [
    service("s1", {"app": "one"}),
    service("s1", {"app": "two"}),
    service("s1", {}),
    said(service("s1", {"app": "one"}), {"gateway.kyma-project.io/allowed-namespaces": "nobody"}),
    service("s1", {"app": "one"}) | {"spec": {"type": "ExternalName", "externalName": "elsewhere.org"}},
    service("s2", {"app": "two"}),
    service("missing", {"app": "found"}),
    at("*"),
    at("*.example.com"),
    at("shop/*.example.com", "evil/c.example.com"),
    at("*", istio="edge"),
    mesh(),
    mesh("[{name: authz}]"),
    mesh("[]"),
    routing("theirs", "a.example.com"),
    routing("theirs", "b.example.com"),
    routing("theirs", "a.example.com", "istio-system/elsewhere"),
    routing("a", "elsewhere.org"),
]
YEARS = {"a": 21, "b": 22, "c": 20}
START = [service("s1", {"app": "one"}), service("s2", {"app": "two"}), at("*.example.com"), mesh()]

Event = Callable[[Memory], None]


def put(made: Document) -> Event:
    return lambda memory: memory.put(made, YEARS.get(made["metadata"]["name"], 26))


def gone(made: Document) -> Event:
    key = f"{made['metadata']['namespace']}/{made['metadata']['name']}"
    return lambda memory: memory.remove(made["kind"], key)


def changed_by_hand(number: int, how: str) -> Event:
    """One of the objects that have been emitted, if there are any."""

    def do(memory: Memory) -> None:
        emitted = [id_ for id_ in sorted(memory.documents) if id_[0] in EMITTED]
        for kind, key in emitted[number % len(emitted) :][:1] if emitted else ():
            there = memory.documents[kind, key]
            match how:
                case "gone":
                    memory.remove(kind, key)
                case "extended":
                    memory.put(there | {"spec": there["spec"] | {"exportTo": ["."]}})
                case "unlabelled":
                    memory.put(there | {"metadata": there["metadata"] | {"labels": {}}})

    return do


def held(name: str) -> Event:
    """Somebody else's finalizer keeps it from going."""

    def do(memory: Memory) -> None:
        if there := memory.documents.get(("APIRule", f"shop/{name}")):
            kept = [*there["metadata"]["finalizers"], "somebody.example.com/else"]
            memory.put(there, finalizers=list(dict.fromkeys(kept)))

    return do


EMITTED = ("AuthorizationPolicy", "RequestAuthentication", "VirtualService")
events = st.one_of(
    st.sampled_from(APIRULES).map(put),
    st.sampled_from(APIRULES).map(put),
    st.sampled_from(AROUND).map(put),
    st.sampled_from([*APIRULES, *AROUND]).map(gone),
    st.sampled_from("ab").map(held),
    st.builds(changed_by_hand, st.integers(0, 9), st.sampled_from(["gone", "extended", "unlabelled"])),
)
# What happens at once, before anybody has been looked at.
histories = st.lists(st.lists(events, min_size=1, max_size=4), min_size=1, max_size=6)


def begun() -> Memory:
    memory = Memory()
    for made in START:
        memory.put(made)
    return memory


def shuffled(memory: Memory, seed: int) -> list[Document]:
    found = list(memory.documents.values())
    random.Random(seed).shuffle(found)
    return found


def specs(memory: Memory) -> dict[Any, Any]:
    return {id_: one.get("spec") for id_, one in memory.documents.items()}


@settings(max_examples=60)
@given(histories, st.integers(0, 9))
def test_who_is_not_concerned_has_nothing_to_do_and_nobody_has_after_a_restart(history, seed):
    async def live() -> None:
        memory = begun()
        controller = Steered(memory, memory.documents.values())
        for group in history:
            for event in group:
                event(memory)
            outcomes = await controller.settle()
        memory.writes.clear()
        assert await controller.again() == outcomes
        assert await Steered(memory, shuffled(memory, seed)).again() == outcomes
        assert memory.writes == []

    asyncio.run(live())


@settings(max_examples=60)
@given(st.lists(events, max_size=12), st.integers(0, 9))
def test_what_came_in_any_order_is_as_if_it_had_come_at_once(history, seed):
    async def live() -> None:
        memory = begun()
        followed = Steered(memory, memory.documents.values())
        for event in history:
            event(memory)
        copied = memory.copied()
        fresh = Steered(copied, shuffled(copied, seed))
        outcomes = await fresh.settle()
        found = await followed.settle()
        assert found == outcomes
        assert specs(memory) == specs(copied)

    asyncio.run(live())
