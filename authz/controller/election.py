"""One of several leads, by a Lease (coordination.k8s.io); the others keep what they know up to date.

No clock is compared with another's: a lease is taken once it has been *seen* unchanged for as long as it
is valid, by one's own clock (as client-go does). The leader stops before that can be over.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from authz.controller.api import TIMEOUT_S, Api, Refused, Unreachable
from authz.controller.kinds import LEASES, Document

DURATION_S = 15  # without a renewal, others may lead after this
DEADLINE_S = 10.0  # without one, the leader writes nothing after this: a request may take TIMEOUT_S more
LOOK_S = 0.1  # whether it still leads: by the clock alone
RETRY_S = 2.0  # between renewals, and between looks at somebody else's

if DEADLINE_S + TIMEOUT_S >= DURATION_S:
    raise AssertionError("a leader's last write must end before another leads")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A lease as it stands, and since when by our own clock."""

    document: Document
    since_s: float

    @property
    def spec(self) -> dict[str, Any]:
        return self.document.get("spec") or {}


class Election:
    """`clock` is monotonic, in seconds. `identity` must be nobody else's, nor that of an earlier life."""

    def __init__(self, api: Api, lease: str, identity: str, clock: Callable[[], float]) -> None:
        self._api = api
        self._lease = lease
        self._identity = identity
        self._clock = clock
        self._seen: _Seen | None = None
        self._renewed_s: float | None = None

    def leads(self) -> bool:
        """True while nobody else can."""
        return self._renewed_s is not None and self._clock() - self._renewed_s < DEADLINE_S

    async def run(self) -> None:
        """For ever: lead, or look whether it is time to."""
        while True:
            led = self.leads()
            try:
                await self._attempt()
            except Refused as refused:
                if refused.status == 409:  # somebody was quicker
                    self._seen = self._renewed_s = None
                _log.info("the lease can not be had", lease=self._lease, error=str(refused))
            except Unreachable as error:
                _log.warning("the lease can not be had", lease=self._lease, error=str(error))
            if led != self.leads():
                _log.info("leading" if self.leads() else "not leading", identity=self._identity)
            await asyncio.sleep(RETRY_S)

    async def until(self, *, leads: bool) -> None:
        """It leads, or it does not."""
        while self.leads() != leads:  # noqa: ASYNC110 - time alone makes it so
            await asyncio.sleep(LOOK_S)

    async def release(self) -> None:
        """On the way out: the next one need not wait."""
        if not self.leads() or self._seen is None:
            return
        self._renewed_s = None
        spec = self._seen.spec | {"holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            await self._api.replace(LEASES, self._seen.document | {"spec": spec})
        except (Refused, Unreachable) as error:
            _log.info("the lease is left to expire", error=str(error))

    async def _attempt(self) -> None:
        """Raises Refused (409 if somebody was quicker) or Unreachable."""
        found = await self._look()
        began_s = self._clock()
        if found is None:
            written = await self._api.create(LEASES, self._written(None))
        elif self._may_take(found):
            written = await self._api.replace(LEASES, self._written(found))
        else:
            self._renewed_s = None
            return
        self._renewed_s = began_s  # of the request: the server's time of writing is not before it
        self._seen = _Seen(written, began_s)

    async def _look(self) -> _Seen | None:
        try:
            document = await self._api.get(LEASES, self._lease)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        version = document["metadata"]["resourceVersion"]
        if self._seen is None or self._seen.document["metadata"]["resourceVersion"] != version:
            self._seen = _Seen(document, self._clock())
        return self._seen

    def _may_take(self, found: _Seen) -> bool:
        holder = found.spec.get("holderIdentity")
        valid_s = float(found.spec.get("leaseDurationSeconds") or DURATION_S)
        return holder in (self._identity, "", None) or self._clock() - found.since_s > valid_s

    def _written(self, found: _Seen | None) -> Document:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # for people: nobody compares it
        old = found.spec if found else {}
        mine = old.get("holderIdentity") == self._identity
        namespace, _, name = self._lease.partition("/")
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": DURATION_S,
            "acquireTime": old["acquireTime"] if mine else now,
            "renewTime": now,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (0 if mine or not found else 1),
        }
        base = found.document if found else {"metadata": {"namespace": namespace, "name": name}}
        return base | {"apiVersion": LEASES.api_version, "kind": LEASES.name, "spec": spec}
