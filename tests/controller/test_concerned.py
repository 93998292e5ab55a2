"""Whatever an APIRule's objects are made of, and whatever its verdict depends on: its change concerns it."""

from typing import Any

import pytest

from authz.controller.held import FINALIZER
from authz.controller.kinds import Document
from tests.controller.clusters import EXT, JWT, PUBLIC, apirule, document, gateway, mesh, service
from tests.controller.memory import Memory, Steered
from tests.controller.worlds import of

OWN = "shop/a"
STAGE = "gateway.kyma-project.io/migration-stage"
CORS: Document = {"corsPolicy": {"allowOrigins": [{"exact": "https://o.example.com"}]}}
OTHER_KEYS: Document = {"jwt": {"authentications": [{"issuer": "https://i", "jwksUri": "https://i/other"}]}}
THEIRS: Document = {"service": {"name": "s1", "namespace": "shop", "port": 80}}
MISSING: Document = {"service": {"name": "missing", "port": 80}}


def said(made: Document, **annotations: str) -> Document:
    marks = {f"gateway.kyma-project.io/{name.replace('_', '-')}": text for name, text in annotations.items()}
    return made | {"metadata": made["metadata"] | {"annotations": marks}}


def other(made: Document, **spec: Any) -> Document:
    return made | {"spec": made["spec"] | spec}


def at(*hosts: str, port: int = 443, **selector: str) -> Document:
    servers = [{"port": {"number": port, "name": "https", "protocol": "HTTP"}, "hosts": list(hosts)}]
    return other(gateway(), servers=servers, **({"selector": selector} if selector else {}))


def strangers(host: str = "a.example.com", gateway: str = "istio-system/main", name: str = "x") -> Document:
    spec = {"hosts": [host], "gateways": [gateway]}
    return document("networking.istio.io/v1", "VirtualService", name, "shop", spec=spec)


def rival(access: Document = PUBLIC, host: str = "a.example.com", **spec: Any) -> Document:
    return of("evil", apirule("r", access | THEIRS, host, **spec))


class Gone:
    """Instead of an object: it is deleted."""

    def __init__(self, kind: str, key: str) -> None:
        self.kind = kind
        self.key = key


A = apirule("a", JWT)
BROKEN = apirule("a", JWT | MISSING)
KEPT = {"deletionTimestamp": "2026-02-01T00:00:00Z", "finalizers": ["somebody.example.com/else"]}

Change = Document | Gone
INPUTS: dict[str, tuple[list[Document], Change]] = {
    "its spec": ([A], apirule("a", EXT)),
    "its stage of the migration": ([A], said(A, migration_stage="guard")),
    "an annotation that can not be read": ([A], said(A, migration_stage="unheard-of")),
    "an annotation that can be read again": ([said(A, migration_stage="unheard-of")], A),
    "its deletion": ([A], Gone("APIRule", OWN)),
    "its Service's pods": ([A], service("s1", {"app": "other"})),
    "its Service's ports": ([A], other(service("s1", {"app": "one"}), ports=[{"port": 81}])),
    "its Service's type": ([A], other(service("s1", {"app": "one"}), type="ExternalName")),
    "its Service's consent": ([A], said(service("s1", {"app": "one"}), allowed_namespaces="x")),
    "its Service's end": ([A], Gone("Service", "shop/s1")),
    "its Service's begin": ([BROKEN], service("missing", {"app": "one"})),
    "its last version's Service": ([A, apirule("a", JWT, "b.example.com", gateway="no/where")], at("*.org")),
    "its Gateway's hosts": ([A], at("*.example.com")),
    "its Gateway's ports": ([A], at("*", port=8443)),
    "its Gateway's pods": ([A], at("*", istio="edge")),
    "its Gateway's end": ([A], Gone("Gateway", "istio-system/main")),
    "the providers": ([A], mesh("[{name: authz}]")),
    "the mesh's end": ([A], Gone("ConfigMap", "istio-system/istio")),
    "a stranger at its host": ([A], strangers()),
    "a stranger who comes to its Gateway": ([A, strangers(gateway="shop/else")], strangers()),
    "a stranger's leaving": ([strangers(), A], strangers("b.example.com")),
    "a stranger's end": ([strangers(), A], Gone("VirtualService", "shop/x")),
    "its namesake": ([A], strangers("b.example.com", name="a")),
    "its namesake's end": ([strangers("b.example.com", name="a"), A], Gone("VirtualService", OWN)),
    "its host's owner, who goes": ([rival(), A], Gone("APIRule", "evil/r")),
    "its host's owner, who moves": ([rival(), A], rival(host="b.example.com")),
    "its host's owner, who can not be read": ([rival(), A], other(rival(), unheard="of")),
    "its host's owner, whose Gateway gives it no more": ([rival(), A], at("shop/*.example.com")),
    "who serves its host and can not be read, and can again": (
        [rival(), other(rival(), unheard="of"), A],
        rival(PUBLIC | MISSING, "b.example.com"),
    ),
    "a host below its wildcard": ([apirule("a", JWT, "*.example.com")], rival()),
    "a host below its wildcard that is free again": (
        [rival(), apirule("a", JWT, "*.example.com")],
        Gone("APIRule", "evil/r"),
    ),
    "a wildcard above that is asked about at the gateway": (
        [apirule("a", PUBLIC, **CORS), rival(PUBLIC, "*.example.com")],
        rival(PUBLIC, "*.example.com", enforcement="Gateway"),
    ),
    "keys that somebody else has settled, who goes": (
        [rival(OTHER_KEYS, "r.example.com"), A],
        Gone("APIRule", "evil/r"),
    ),
    "keys that somebody else changes": (
        [rival(OTHER_KEYS, "r.example.com"), A],
        rival(JWT, "r.example.com"),
    ),
    "a policy of it": ([A], Gone("AuthorizationPolicy", "")),
    "a RequestAuthentication of it": ([A], Gone("RequestAuthentication", "")),
    "its VirtualService": ([A], Gone("VirtualService", OWN)),
    "a policy of one that is not valid": ([A, BROKEN], Gone("AuthorizationPolicy", "")),
}


def put(memory: Memory, made: Change) -> None:
    match made:
        case Gone(kind=kind, key=key):
            memory.remove(kind, key or next(name for one, name in memory.documents if one == kind))
        case _:
            memory.put(made, year=20 if made["metadata"]["name"] == "r" else 25)


async def begun(*documents: Document) -> tuple[Memory, Steered]:
    memory = Memory()
    for made in (service("s1", {"app": "one"}), at("*"), mesh()):
        memory.put(made)
    controller = Steered(memory, memory.documents.values())
    for made in documents:
        put(memory, made)
        await controller.settle()
    return memory, controller


@pytest.mark.parametrize(("documents", "change"), INPUTS.values(), ids=INPUTS)
async def test_what_an_apirule_depends_on_concerns_it(documents, change):
    memory, controller = await begun(*documents)
    put(memory, change)
    assert OWN in controller.concerned


@pytest.mark.parametrize("kind", ["VirtualService", "AuthorizationPolicy", "RequestAuthentication"])
@pytest.mark.parametrize(
    "change",
    [
        lambda there: there | {"spec": there["spec"] | {"exportTo": ["."]}},
        lambda there: there | {"metadata": there["metadata"] | {"labels": {}}},
        lambda there: there | {"metadata": there["metadata"] | {"annotations": {"istio.io/dry-run": "true"}}},
        lambda there: there | {"metadata": there["metadata"] | {"deletionTimestamp": "2026-02-01T00:00:00Z"}},
    ],
    ids=["a field", "no labels", "dry-run", "deletion"],
)
async def test_a_change_of_one_of_its_objects_concerns_it(kind, change):
    memory, controller = await begun(A)
    (there,) = (one for (name, _), one in memory.documents.items() if name == kind)
    memory.put(change(there))
    assert OWN in controller.concerned


@pytest.mark.parametrize("kind", ["VirtualService", "AuthorizationPolicy", "RequestAuthentication"])
async def test_an_object_as_it_shall_be_wakes_nobody(kind):
    """Whatever else somebody says of it: our own writes come back by the watch, too."""
    memory, controller = await begun(A)
    (there,) = (one for (name, _), one in memory.documents.items() if name == kind)
    memory.put(there | {"metadata": there["metadata"] | {"annotations": {"somebody.example.com/else": "1"}}})
    assert controller.concerned == []


async def test_a_finalizer_that_somebody_takes_away_is_put_back():
    memory, controller = await begun(A)
    memory.put(A, finalizers=[])
    await controller.settle()
    assert memory.documents["APIRule", OWN]["metadata"]["finalizers"] == [FINALIZER]


async def test_an_apirule_that_was_made_anew_while_nobody_looked_is_looked_at():
    memory, controller = await begun(A)
    memory.put(A, uid="another", finalizers=[FINALIZER])
    assert OWN in controller.concerned


async def test_who_would_have_the_host_is_concerned_when_its_owner_begins_to_go():
    """Somebody else's finalizer may keep it for long."""
    memory, controller = await begun(rival(PUBLIC | MISSING), A)
    put(memory, rival(PUBLIC | MISSING))
    await controller.settle()
    memory.put(rival(PUBLIC | MISSING), year=20, **KEPT)
    assert OWN in controller.concerned


UNCONCERNED: dict[str, Document] = {
    "somebody's Service": service("s9", {"app": "one"}),
    "somebody's route": strangers("z.example.com"),
    "somebody's APIRule": rival(JWT, "r.example.com"),
    "one that would have its host and does not get it": rival(),
    "its Service as it is": other(service("s1", {"app": "one"}), clusterIP="10.0.0.1"),
    "a finalizer of somebody else's": A
    | {"metadata": A["metadata"] | {"finalizers": [FINALIZER, "somebody.example.com/else"]}},
}


@pytest.mark.parametrize("change", UNCONCERNED.values(), ids=UNCONCERNED)
async def test_what_it_does_not_depend_on_does_not_wake_it(change):
    memory, controller = await begun(A)
    put(memory, change)
    assert OWN not in controller.concerned


async def test_a_wildcard_that_is_refused_wakes_nobody_below_it_however_often_it_is_claimed():
    below = [apirule(name, JWT) for name in "abc"]
    memory, controller = await begun(apirule("wide", JWT, "*.example.com"), *below)
    for host in ("*.example.com", "r.example.com", "*.example.com"):
        put(memory, rival(PUBLIC, host))
        assert set(controller.concerned) <= {"evil/r", "shop/wide"}
        await controller.settle()
