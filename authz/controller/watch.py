"""All objects of a kind, as they are now: listed once, then followed for as long as the process lives.

What is known stays known while the API server is away, and is never older than what was seen before.
"""

import asyncio
import math
import random
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import structlog

from authz.controller import kinds
from authz.controller.api import Api, Refused, Silent, Unreachable
from authz.controller.decoding import decoded
from authz.controller.kinds import Document, Kind
from authz.core.memo import Memo

PAGE = 200  # objects in one answer: a few MB at most
FOLLOW_S = 300.0  # a watch is renewed after this, or twice it: connections spread over replicas
QUIET_S = 100.0  # the API server sends a bookmark every minute: this long without is a stall
PAUSE_MIN_S = 0.05
PAUSE_MAX_S = 2.0  # between attempts
FRESH_S = 5.0  # since all was heard: as good as now
CATCH_UP_S = 1  # of a watch that only has to hear what has happened
RELIST_SPREAD_S = 1.0  # over which those whose watch has expired list again

GONE_MAX = 1_000  # objects whose end is remembered: an answer is on its way for as long as a request takes

T = TypeVar("T")

_log = structlog.get_logger()


class Expired(Exception):
    """410 Gone: what happened since is not to be had, only what is (API concepts, efficient detection)."""


class Store(Generic[T]):
    """`keep` makes the little that is kept of an object; `changed` hears of each difference."""

    def __init__(
        self,
        keep: Callable[[Document], T],
        changed: Callable[[str, T | None, T | None], None] = lambda _key, _old, _new: None,
    ) -> None:
        self.known: dict[str, T] = {}
        self._keep = keep
        self._changed = changed
        self._versions: dict[str, int] = {}
        self._gone = Memo[int](GONE_MAX)

    def __getitem__(self, key: str) -> T:
        return self.known[key]

    def put(self, document: Document) -> None:
        """Unless something newer is known, be it its end: an answer to our own write may come at any time."""
        key, version = kinds.key(document), kinds.version(document)
        if version <= max(self._versions.get(key, -1), self._gone.get(key) or -1):
            return
        old, new = self.known.get(key), self._keep(document)
        self.known[key], self._versions[key] = new, version
        self._changed(key, old, new)

    def drop(self, key: str, version: int) -> None:
        """It was there until this version."""
        self._gone.put(key, version)
        if key in self.known and version >= self._versions[key]:
            del self._versions[key]
            self._changed(key, self.known.pop(key), None)

    def rewind(self) -> None:
        """What comes now counts, though it is older than what is known."""
        self._versions = dict.fromkeys(self._versions, -1)
        self._gone = Memo[int](GONE_MAX)

    def forget(self, key: str) -> None:
        """We have seen it go."""
        self.drop(key, self._versions.get(key, 0))

    def only(self, keys: Mapping[str, int], version: int) -> None:
        """Nothing but these was there when the list of this version was made."""
        for key in [key for key in self.known if key not in keys]:
            self.drop(key, version)


class Watch(Generic[T]):
    """Keeps a store equal to the cluster. `synced` is set once it has been, for the first time."""

    def __init__(
        self,
        api: Api,
        kind: Kind,
        store: Store[T],
        quiet_s: float = QUIET_S,
        spread_s: float = RELIST_SPREAD_S,
    ) -> None:
        self.kind = kind
        self.store = store
        self.synced = asyncio.Event()
        self.failures = 0
        self.lists = 0
        self._api = api
        self._quiet_s = quiet_s
        self._spread_s = spread_s
        self._version = 0
        self._heard_s = -math.inf  # when all was known that had happened
        self._catching_up: asyncio.Event | None = None
        self._following: asyncio.Timeout | None = None
        self._select = {
            name: value
            for name, value in (("labelSelector", kind.labels), ("fieldSelector", kind.fields))
            if value
        }

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self._list()
                self.synced.set()
                while True:
                    await self._follow()
            except Expired:
                await asyncio.sleep(random.uniform(0, self._spread_s))  # noqa: S311 - not a secret
            except (Refused, Unreachable) as error:
                _log.warning("objects can not be listed", kind=self.kind.plural, error=str(error))
                await self._pause()

    async def fresh(self) -> None:
        """Until all is known that has happened by now: the connection may have been dead for long.

        A new one is told what has happened since, and ends soon.
        """
        if asyncio.get_running_loop().time() - self._heard_s < FRESH_S:
            return
        self._catching_up = caught_up = asyncio.Event()
        if self._following:
            self._following.reschedule(-math.inf)
        await caught_up.wait()

    async def _list(self) -> None:
        """Page by page. Raises Expired if it takes so long that the rest is not to be had."""
        self.lists += 1
        began_s = asyncio.get_running_loop().time()
        found: dict[str, int] = {}
        query = self._select | {"limit": str(PAGE)}
        while True:
            try:
                page = await self._api.list(self.kind, query)
            except Refused as refused:
                raise _expired_or(refused) from refused
            self.failures = 0
            version = int(page["metadata"]["resourceVersion"])
            if version < self._version:  # etcd has been restored from a backup
                self.store.rewind()
            self._version = version
            for document in page.get("items") or ():
                found[kinds.key(document)] = kinds.version(document)
                self.store.put(document)
            more = page["metadata"].get("continue")
            if not more:
                break
            query = query | {"continue": more}
            await asyncio.sleep(0)
        self.store.only(found, version)
        self._heard_s = began_s

    async def _follow(self) -> None:
        """From what is known until the watch ends or breaks. Raises Expired or Refused."""
        began_s, catching_up = asyncio.get_running_loop().time(), self._catching_up
        try:
            await self._hear(CATCH_UP_S if catching_up else random.uniform(FOLLOW_S, 2 * FOLLOW_S))  # noqa: S311 - not a secret
        except TimeoutError:
            return
        except Refused as refused:
            raise _expired_or(refused) from refused
        except Silent as silent:  # it is asked for what comes after a version that is not to come for long
            raise Expired from silent
        except (Unreachable, ValueError) as error:
            _log.info("a watch broke off", kind=self.kind.plural, error=str(error))
            await self._pause()
        else:
            self._heard_s = began_s
            if catching_up:
                catching_up.set()
                self._catching_up = None
            elif asyncio.get_running_loop().time() - began_s < 1.0:
                await self._pause()

    async def _hear(self, for_s: float) -> None:
        """Raises TimeoutError if somebody wants to know what has happened by now."""
        query = self._select | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(self._version),
            "timeoutSeconds": str(int(for_s)),
        }
        try:
            async with asyncio.timeout(None) as self._following:
                async for line in self._api.lines(self.kind, query, self._quiet_s):
                    self._take(decoded(line))
                    self.failures = 0
        finally:
            self._following = None

    def _take(self, event: Document) -> None:
        document = event["object"]
        match event["type"]:
            case "ADDED" | "MODIFIED":
                self.store.put(document)
            case "DELETED":
                self.store.drop(kinds.key(document), kinds.version(document))
            case "ERROR" if document.get("code") == 410:
                raise Expired
            case "ERROR":
                raise Unreachable(str(document.get("message")))
        self._version = max(self._version, kinds.version(document))

    async def _pause(self) -> None:
        self.failures += 1
        longest_s = min(PAUSE_MAX_S, PAUSE_MIN_S * 2 ** min(self.failures, 10))
        await asyncio.sleep(random.uniform(longest_s / 2, longest_s))  # noqa: S311 - not a secret


def _expired_or(refused: Refused) -> Exception:
    return Expired() if refused.status == 410 else refused
