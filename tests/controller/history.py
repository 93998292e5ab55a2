"""What a cluster has gone through, from the API server's own watch, and whether it was ever open.

At each resourceVersion the objects of an APIRule may let through only what its version before lets
through, or the one after; and a route leads only to a workload that has an ALLOW, or to a guarded gateway.
"""

import asyncio
import base64
import contextlib
import json
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, product

import aiohttp

from authz.controller.api import Unreachable
from authz.controller.kinds import APIRULES, AUTHENTICATIONS, POLICIES, VIRTUAL_SERVICES, Document, Kind
from authz.istio import apirule as apirules
from authz.istio import names
from tests.controller.clusters import EXT, JWT, PUBLIC, Cluster, apirule
from tests.controller.meaning import Request, Token, both, decides, reaches, refuses, unguarded

KINDS = (VIRTUAL_SERVICES, POLICIES, AUTHENTICATIONS)
OTHER_JWT: Document = {"jwt": {"authentications": [{"issuer": "https://j", "jwksUri": "https://j/keys"}]}}
REKEYED: Document = {"jwt": {"authentications": [{"issuer": "https://i", "jwksUri": "https://i/new"}]}}
PRIVATE = [PUBLIC | {"path": "/a"}, JWT]
ELSEWHERE = {"service": {"name": "s2", "port": 80}}
FOREIGN: Document = {"extAuth": {"authorizers": ["other"]}}
AT_GATEWAY = {"enforcement": "Gateway"}

Version = tuple[Document | list[Document], Document]

VERSIONS: list[Version] = [
    (PUBLIC, {}),
    (JWT, {}),
    (EXT, {}),
    (OTHER_JWT, {}),
    (REKEYED, {}),
    (FOREIGN, {}),
    (PRIVATE, {}),
    (PUBLIC | ELSEWHERE, {}),
    (JWT | ELSEWHERE, {}),
    ([JWT | {"path": "/a"}, EXT], {}),
    (EXT, AT_GATEWAY),
    (JWT, AT_GATEWAY),
]


State = dict[tuple[str, str], Document]
Marks = dict[str, list[int]]


class History:
    """Every event of the objects that are emitted, in the order of their versions."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.events: list[tuple[int, str, Document]] = []

    @contextlib.asynccontextmanager
    async def recorded(self) -> AsyncIterator[None]:
        page = await self._cluster.api.list(VIRTUAL_SERVICES, {"limit": "1"})
        start = page["metadata"]["resourceVersion"]
        tasks = [asyncio.create_task(self._record(kind, start)) for kind in KINDS]
        try:
            yield
            await asyncio.sleep(1.0)  # the last ones are on their way
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _record(self, kind: Kind, start: str) -> None:
        every = replace(kind, labels="")
        while True:
            with contextlib.suppress(Unreachable):
                async for line in self._cluster.api.lines(
                    every, {"watch": "1", "resourceVersion": start}, 3600
                ):
                    event = json.loads(line)
                    start = event["object"]["metadata"]["resourceVersion"]
                    self.events.append((int(start), event["type"], event["object"]))
            await asyncio.sleep(0.05)

    def states(self, name: str) -> list[tuple[int, State]]:
        """What there was of one APIRule, and since which version of the store."""
        found: list[tuple[int, State]] = [(0, {})]
        for version, kind, document in sorted(self.events, key=lambda event: event[0]):
            if document["metadata"]["labels"][names.OWNER_NAME] != name:
                continue
            id_ = document["kind"], f"{document['metadata']['namespace']}/{document['metadata']['name']}"
            state = {other: one for other, one in found[-1][1].items() if other != id_}
            found.append((version, state if kind == "DELETED" else state | {id_: document}))
        return found


async def live(cluster: Cluster, name: str, versions: Sequence[Version]) -> list[int]:
    """Made, edited into each of the versions, deleted. When each was complete: no write of it is later."""
    marks = []
    for access, spec in versions:
        await cluster.apply(written(name, access, spec))
        marks.append(int((await cluster.ready(f"shop/{name}"))["metadata"]["resourceVersion"]))
    await cluster.delete(APIRULES, f"shop/{name}")
    return marks


def drawn(count: int, edits: int) -> dict[str, list[Version]]:
    """The lives of so many APIRules; the same ones every time."""
    chance = random.Random(1)
    return {f"r{number}": chance.sample(VERSIONS, edits + 1) for number in range(count)}


async def go_through(cluster: Cluster, lives: Mapping[str, Sequence[Version]], at_once: int = 8) -> Marks:
    """All of them, so many at once."""
    waiting, marks = list(lives), dict[str, list[int]]()

    async def worker() -> None:
        while waiting:
            name = waiting.pop()
            marks[name] = await live(cluster, name, lives[name])

    await asyncio.gather(*(worker() for _ in range(at_once)))
    return marks


def violations(history: History, lives: Mapping[str, Sequence[Version]], marks: Marks) -> Iterator[str]:
    """Every state that was open to somebody to whom neither version is."""
    for name, versions in lives.items():
        states = history.states(name)
        rules = [None, *(parsed(name, *version) for version in versions), None]
        ends = [0, *(_last(states, mark) for mark in marks[name]), len(states) - 1]
        for (old, new), (first, last) in zip(pairwise(rules), pairwise(ends), strict=True):
            for number in range(first + 1, last + 1):
                yield from _faults(name, [state for _, state in states], (number, first, last), old, new)


def _last(states: Sequence[tuple[int, State]], mark: int) -> int:
    return max(number for number, (version, _) in enumerate(states) if version <= mark)


def _faults(name, states, place, old, new):
    number, first, last = place
    before, after = verdicts(old), verdicts(new)
    if unguarded(states[number].values()):
        yield f"{name}: a route without a policy in state {number}"
    for request in requests(name):
        decide = after if number == last else both(before, after)
        app = reaches(states[number].values(), request, decide)
        if app and app not in {
            reaches(states[end].values(), each, verdict)
            for end, verdict in ((first, before), (last, after))
            for each in (request, replace(request, token=None))
        }:
            yield f"{name}: {request} gets to {app} in state {number} of {first} to {last}"


def verdicts(rule):
    return decides(rule) if rule else refuses


def parsed(name, access, spec):
    return apirules.parse(written(name, access, spec))


def written(name: str, access: Document | list[Document], spec: Document) -> Document:
    """With issuers of its own, whose keys are nobody else's concern."""
    document: Document = json.loads(
        json.dumps(apirule(name, access, **spec)).replace("https://", f"https://{name}.")
    )
    return document


def requests(name):
    for path, (issuer, keys), approved in product(
        ("/a", "/b"),
        [
            ("", ""),
            ("i", "i/keys"),
            ("i", "i/new"),
            ("j", "j/keys"),
        ],
        [(), ("ours",), ("other",)],
    ):
        token = Token(f"https://{name}.{issuer}", f"https://{name}.{keys}") if issuer else None
        yield Request(f"{name}.example.com", "GET", path, token, frozenset(approved))


class EtcdHistory(History):
    """The same, from etcd's own watch: it goes on while the API server is away."""

    def __init__(self, cluster: Cluster, etcd: str) -> None:
        super().__init__(cluster)
        self._etcd = etcd

    async def _record(self, kind: Kind, start: str) -> None:
        group = kind.api_version.partition("/")[0]
        first = f"/registry/{group}/{kind.plural}/"
        asked = {
            "key": _b64(first),
            "range_end": _b64(first[:-1] + "0"),
            "start_revision": int(start) + 1,
            "prev_kv": True,
        }
        timeout = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession(timeout=timeout, read_bufsize=1 << 22) as session,
            session.post(f"{self._etcd}/v3/watch", json={"create_request": asked}) as response,
        ):
            async for line in response.content:
                for event in json.loads(line)["result"].get("events", ()):
                    self._take(event)

    def _take(self, event: Document) -> None:
        gone = event.get("type") == "DELETE"
        document = json.loads(base64.b64decode((event["prev_kv"] if gone else event["kv"])["value"]))
        self.events.append((int(event["kv"]["mod_revision"]), "DELETED" if gone else "MODIFIED", document))


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
