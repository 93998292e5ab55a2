"""Copies of live requests, decided by Oathkeeper and by the new rules. Nothing is enforced, all is counted.

Envoy sends the copies and waits for no answer. What is more than can be judged is dropped, and counted.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from authz.core import route
from authz.core.policy import Policy
from authz.core.reason import Refused
from authz.migrate.verification import proof, wallet
from authz.migrate.verification.oathkeeper import AT_ONCE, Unreachable
from authz.migrate.verification.requests import METHODS, Sent
from authz.migrate.verification.verify import Tally
from authz.migrate.verification.wallet import NOTHING, Credential

WAITING_MAX = 256  # copies in memory at once; of each at most its head
BODY_MAX_BYTES = 1 << 20  # read and thrown away; of a longer one the connection is closed
NO_RULES: Mapping[str, str] = MappingProxyType({})
CALLERS_MAX = 4  # kept of one host: one that is not the gateway is enough
_SUFFIX = "-shadow"  # Envoy marks the host of a copy with it
_PROXYS = ("x-envoy-", "x-forwarded-", "x-request-id", "x-b3-", "traceparent", "tracestate")


# What a sidecar says of its peer, last in the header: who that said its own peer is comes before.
_peer = re.compile(r".*(?:^|[,;])URI=spiffe://([^,;]+)", re.DOTALL | re.IGNORECASE).match


class Judge(Protocol):
    """What is asked about each: a `verify.Verification`."""

    async def judge(self, sent: Sent, tally: Tally) -> None:
        """Raises Unreachable."""


class Shadow:
    """What has been seen, by the hosts of `policy`: whoever names others below a wildcard takes no memory.

    `judged` are the digests of the APIRules that it is judged by.
    """

    def __init__(self, judge: Judge, policy: Policy, judged: Mapping[str, str] = NO_RULES) -> None:
        self._judging = judge
        self._policy = policy
        self._judged = judged
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._under_way: set[asyncio.Task[None]] = set()
        self.tallies: dict[str, Tally] = {}
        self.callers: dict[str, set[str]] = {}
        self.dropped = 0

    def take(self, sent: Sent, caller: str) -> None:
        """Judge it, some time. `caller` is the principal that the copy came from, "" for none."""
        host = self._host(sent)
        if host is not None and len(known := self.callers.setdefault(host, set())) < CALLERS_MAX:
            known.add(caller)
        if len(self._under_way) >= WAITING_MAX or host is None:
            self.dropped += 1
            return
        task = asyncio.create_task(self._judge(sent, host))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def report(self) -> Mapping[str, Any]:
        """By host, as `verify` tells it; without credentials."""
        hosts = {host: json.loads(proof.document(tally)) for host, tally in sorted(self.tallies.items())}
        callers = {host: sorted(known) for host, known in sorted(self.callers.items())}
        counted = {"hosts": hosts, "callers": callers, "dropped": self.dropped}
        return counted | {"apirules": dict(self._judged)}

    def page(self) -> Iterator[str]:
        """The same for a person."""
        for host, tally in sorted(self.tallies.items()):
            yield f"# {host}"
            yield from proof.table(tally)
            yield ""
        yield f"{self.dropped:,} copies were dropped."

    async def _judge(self, sent: Sent, host: str) -> None:
        async with self._slots:
            tally = self.tallies.setdefault(host, Tally())
            try:
                await self._judging.judge(sent, tally)
            except Unreachable:
                self.dropped += 1
            else:
                tally.asked += 1

    def _host(self, sent: Sent) -> str | None:
        try:
            return route.host(self._policy, sent.host).name
        except Refused:
            return None


def copied(request: Request) -> Sent:
    """The request as the client sent it, as far as Envoy's copy tells."""
    lines = tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in request.headers.raw
        if not name.decode("latin-1").startswith(_PROXYS)
    )
    host, _, port = request.headers.get("host", "").partition(":")
    whole = host.removesuffix(_SUFFIX) + (f":{port}" if port else "")
    return Sent(
        method=request.method,
        host=whole,
        path=request.scope["raw_path"].decode("latin-1"),
        query=request.scope["query_string"].decode("latin-1"),
        lines=tuple((name, whole if name == "host" else value) for name, value in lines),
        credential=_credential(request.headers.get("authorization", "")),
        place="header authorization",
    )


def caller(header: str) -> str:
    """The principal of Envoy's peer, by what the sidecar says of it."""
    found = _peer(header)
    return found[1] if found else ""


def _credential(header: str) -> Credential:
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "bearer":
        return NOTHING
    issuer = wallet.claims(text).get("iss", "")
    return Credential("a live token", text, issuer=issuer if isinstance(issuer, str) else "")


def receiving(shadow: Shadow) -> Starlette:
    """What Envoy sends its copies to."""

    async def take(request: Request) -> Response:
        shadow.take(copied(request), caller(request.headers.get("x-forwarded-client-cert", "")))
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > BODY_MAX_BYTES:
                return Response(status_code=413, headers={"connection": "close"})
        return Response(status_code=204)

    return Starlette(routes=[Route("/{path:path}", take, methods=METHODS)])


def telling(shadow: Shadow) -> Starlette:
    """What a person reads, and `authz migrate apply` before it switches."""

    async def page(_: Request) -> Response:
        return PlainTextResponse("\n".join(shadow.page()) + "\n")

    async def report(_: Request) -> Response:
        return Response(json.dumps(shadow.report(), indent=1), media_type="application/json")

    return Starlette(routes=[Route("/", page), Route("/report.json", report)])
