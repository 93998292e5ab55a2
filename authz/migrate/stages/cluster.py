"""The cluster under migration: read once for a plan, followed while stages are taken, written write by write.

Whatever was written before an interruption is found again: a write that is done is not done twice.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from authz.config import Config
from authz.controller.api import Api, Refused, Unreachable
from authz.controller.decoding import NotServed
from authz.controller.kinds import APIRULES, GATEWAYS, SERVICES, VIRTUAL_SERVICES, Document, Kind, key, mesh
from authz.controller.kubeconfig import Access
from authz.controller.plan import plan
from authz.controller.watch import Watch
from authz.controller.world import World
from authz.istio import authentication, policy, translate
from authz.istio.migration import STAGE
from authz.istio.problem import Invalid
from authz.migrate.stages import saved
from authz.migrate.stages.admission import POLICIES
from authz.migrate.stages.old_routes import writer
from authz.migrate.stages.saved import KEPT, RULES
from authz.migrate.stages.surveyed import Survey
from authz.migrate.stages.writes import Mark, Put, Remove, Still, Write
from authz.server.authorizers import authorizers_of
from authz.server.ruleset import mesh_of

PAGE = "200"  # objects in one answer: a few MB at most
TRIES = 20  # of a write, while the API server is away or somebody else writes the same object
PAUSE_S = 0.5
LOOK_S = 0.05
PATIENCE_S = 60.0  # for the controller, which takes well under a second

_AUTHENTICATIONS = Kind(authentication.API_VERSION, "RequestAuthentication", "requestauthentications")
_SLICES = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
_KINDS = (APIRULES, VIRTUAL_SERVICES, SERVICES, GATEWAYS, POLICIES, _AUTHENTICATIONS, KEPT, _SLICES)


_MEANWHILE = "{} {} has been changed meanwhile by {}, and is left so: put it back as it was, or take it away"
_ELSEWHERE = "APIRule {} is {} by now, not {}: somebody else is at it, let them end first"
_NO_LONGER = "{} {} is not as it was written, {} has changed it: somebody else is at it, let them end first"


class Stuck(Exception):
    """A stage is not reached; what has been done stays, and is right."""


async def survey(api: Api, settings: Config) -> Survey:
    """Everything of the kinds that matter. Raises Refused or Unreachable."""
    kinds = (*_KINDS, mesh(settings.istio.mesh_config))
    found = [one for kind in kinds for one in await _all(api, kind)]
    try:
        found += await _all(api, RULES)
    except Unreachable as error:
        if not isinstance(error.__cause__, NotServed):
            raise
    return Survey(tuple(found), settings)


async def _all(api: Api, kind: Kind) -> list[Document]:
    selected = {"labelSelector": kind.labels, "fieldSelector": kind.fields}
    query = {name: text for name, text in selected.items() if text} | {"limit": PAGE}
    found: list[Document] = []
    while True:
        answer = await api.list(kind, query)
        found += [{"apiVersion": kind.api_version, "kind": kind.name} | one for one in answer["items"] or ()]
        again = answer["metadata"].get("continue")
        if not again:
            return found
        query = query | {"continue": again}


class Followed:
    """What the controller has made of an APIRule, as it goes on."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def until(self, name: str, stage: str | None, patience_s: float = PATIENCE_S) -> None:
        """Its objects are what that stage wants, and nothing else. Raises Stuck."""
        try:
            async with asyncio.timeout(patience_s):
                while not self._is_at(name, stage):  # noqa: ASYNC110 - it is another program's doing
                    await asyncio.sleep(LOOK_S)
        except TimeoutError as error:
            said = self._said(name) or "is authz controller running?"
            raise Stuck(f"{name}: the controller has not made it so in {patience_s:g} s: {said}") from error

    def _is_at(self, name: str, stage: str | None) -> bool:
        rule = self._world.rules.known.get(name)
        if rule is None or rule.apirule is None or (rule.migration and rule.migration.stage) != stage:
            return False
        told = json.loads(rule.status)
        if told.get("observedGeneration") != rule.generation or told.get("state") != "Ready":
            return False
        try:
            wanted = translate.translate(rule.apirule, self._world.around(rule.apirule))
        except Invalid:
            return False
        return not plan(wanted, self._world.actual(name, wanted))

    def _said(self, name: str) -> str:
        rule = self._world.rules.known.get(name)
        return str(json.loads(rule.status).get("description", "")) if rule else ""


@asynccontextmanager
async def followed(api: Api, settings: Config) -> AsyncIterator[Followed]:
    """While it is entered, the cluster is watched."""
    authorizers = authorizers_of(settings)
    headers = policy.identity_headers(authorizers.values())
    world = World(mesh_of(settings), authorizers, headers, lambda _: None)
    watches = [Watch(api, kind, store) for kind, store in world.stores.items()]
    tasks = [asyncio.create_task(watch.run()) for watch in watches]
    try:
        for watch in watches:
            await watch.synced.wait()
        yield Followed(world)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def entered(access: Access) -> AsyncIterator[Api]:
    """Closed in the end."""
    api = Api(access)
    try:
        yield api
    finally:
        await api.close()


async def write(api: Api, one: Write, pause_s: float = PAUSE_S) -> None:
    """Until it is done, with a pause between attempts. Raises Stuck with the API server's reason."""
    for left in reversed(range(TRIES)):
        try:
            return await _write(api, one)
        except Unreachable as error:
            problem = str(error)
        except Refused as refused:
            if refused.status != 409:
                raise Stuck(f"{describe(one)}: {refused}") from refused
            problem = str(refused)
        if left:
            await asyncio.sleep(pause_s)
    raise Stuck(f"{describe(one)}: {problem}")


async def _write(api: Api, one: Write) -> None:
    match one:
        case Put():
            await _put(api, one)
        case Remove(kind, name):
            if there := await _look(api, one, name):
                version = there["metadata"]["resourceVersion"]
                await _unless_gone(lambda: api.delete(kind, name, version))
                if await _unless_gone(lambda: api.get(kind, name)):
                    raise Unreachable(f"{kind.name} {name} has not gone yet")
        case Mark():
            await _mark(api, one)
        case Still(kind, document):
            there = await _unless_gone(lambda: api.get(kind, key(document)))
            if not there or there["spec"] != document["spec"]:
                by = writer(there) if there else "somebody"
                raise Stuck(_NO_LONGER.format(kind.name, key(document), by))


async def _mark(api: Api, one: Mark) -> None:
    """Of two who go different ways at once, one stops."""
    there = await api.get(APIRULES, one.key)
    _unmoved(there, one.was, one.annotations.get(STAGE, one.was) or "")
    version = {"resourceVersion": there["metadata"]["resourceVersion"]}
    await api.merge(APIRULES, one.key, {"metadata": version | {"annotations": dict(one.annotations)}})


def _unmoved(apirule: Document | None, *stages: str) -> None:
    """Raises Stuck if somebody has taken it to another stage than one of these."""
    now = saved.annotations(apirule).get(STAGE, "") if apirule else stages[0]
    if apirule and now not in stages:
        raise Stuck(_ELSEWHERE.format(key(apirule), now or "unmarked", stages[0] or "unmarked"))


async def _put(api: Api, one: Put) -> None:
    """A conflict is looked at anew: whoever was faster may have said something else."""
    kind, document = one.kind, one.document
    there = await _look(api, one, key(document), document.get("spec"))
    if there is None:
        await api.create(kind, changed(document, {"metadata": {}}))
    elif kind is KEPT and not (there["metadata"].get("labels") or {}).items() >= saved.MANAGED.items():
        raise Stuck(f"Secret {key(document)} is there and not of a migration: give it another name first")
    elif (wanted := changed(document, there)) != there:
        await api.replace(kind, wanted)


async def _look(api: Api, one: Put | Remove, name: str, wanted: Document | None = None) -> Document | None:
    """What is there. Raises Stuck if it says what nobody has looked at before this was planned."""
    there = await _unless_gone(lambda: api.get(one.kind, name))
    if one.at:
        apirule = there if one.kind is APIRULES else await api.get(APIRULES, one.at.key)
        _unmoved(apirule, *one.at.stages)
    if there and one.was is not None and (there.get("spec") or {}) not in (*one.was, wanted):
        raise Stuck(_MEANWHILE.format(one.kind.name, name, writer(there)))
    return there


async def _unless_gone(call: Callable[[], object]) -> Document | None:
    try:
        return await call()  # type: ignore[misc,no-any-return]
    except Refused as refused:
        if refused.status != 404:
            raise
        return None


def changed(wanted: Document, there: Document) -> Document:
    """What is there, with everything that is wanted; other fields of its metadata stay."""
    metadata = {**wanted["metadata"], **there["metadata"]}
    marks = {**saved.annotations({"metadata": there["metadata"]}), **saved.annotations(wanted)}
    kept = {name: text for name, text in marks.items() if text is not None}
    labels = {**(there["metadata"].get("labels") or {}), **(wanted["metadata"].get("labels") or {})}
    parts = {"annotations": kept, "labels": labels}
    whole = metadata | {name: part for name, part in parts.items() if part or name in there["metadata"]}
    return {**there, **wanted, "metadata": whole}


def describe(one: Write) -> str:
    """In one line."""
    match one:
        case Put(kind, document):
            return f"{kind.name} {key(document)}"
        case Remove(kind, name):
            return f"{kind.name} {name}, which goes"
        case Still(kind, document):
            return f"{kind.name} {key(document)}, which is looked at"
        case Mark(name, annotations):
            said = (f"{mark.partition('/')[2]}={text}" for mark, text in annotations.items())
            return f"APIRule {name}: {', '.join(said)}"
