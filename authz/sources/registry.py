"""Every source of this process: made when a policy names it, dropped when none does any more.

Outlives each policy, so that a reload throws no key and no answer away.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from math import isfinite
from types import MappingProxyType
from typing import Any, assert_never

from authz.core.policy import Accept, Introspection, Jwt, Session
from authz.core.reason import Unavailable
from authz.sources.answers import WAIT_S
from authz.sources.fetched import REFRESH, Clock, Fetched, Refresh
from authz.sources.http import Client
from authz.sources.introspection import Introspector
from authz.sources.jwks import Jwks
from authz.sources.oauth2_proxy import OAuth2Proxy

Source = Jwks | Introspector | OAuth2Proxy


@dataclass(frozen=True, slots=True)
class Status:
    """How a source is doing. `age_s` is that of its last good answer, -1 if there was none.

    `calls` counts by outcome. Where each caller may cost one, `shut` says that none is made now; where the
    answer is kept, `left_s` for how long it serves on while the source is away.
    """

    name: str
    age_s: float
    error: str
    kind: str = "jwks"
    shut: bool | None = None
    left_s: float | None = None
    calls: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


class Sources:
    """One for each issuer and address of its keys, each introspection endpoint and each oauth2-proxy."""

    def __init__(
        self, client: Client, clock: Clock, settings: Refresh = REFRESH, wait_s: float = WAIT_S
    ) -> None:
        self._wait_s = wait_s
        self._client = client
        self._clock = clock
        self._settings = settings
        self._jwks: dict[tuple[str, str], Jwks] = {}
        self._introspectors: dict[str, Introspector] = {}
        self._proxies: dict[str, OAuth2Proxy] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def jwks(self, accept: Jwt) -> Jwks:
        """The keys that `accept` trusts; made on the spot if `keep` has not seen it."""
        return self._jwks.get((accept.issuer, accept.jwks_uri)) or self._make_jwks(accept)

    def introspector(self, accept: Introspection) -> Introspector:
        """Who can say whether a token is active."""
        return self._introspectors.get(accept.source) or self._make_introspector(accept)

    def oauth2_proxy(self, accept: Session) -> OAuth2Proxy:
        """Who can say whether a browser is signed in."""
        return self._proxies.get(accept.oauth2_proxy) or self._make_proxy(accept)

    def keep(self, accepts: Iterable[Accept]) -> None:
        """Have the sources of these and no others. What is already there stays as it is."""
        kept = {id(self._source(accept)) for accept in accepts}
        for sources in (self._jwks, self._introspectors, self._proxies):
            for name, source in [*sources.items()]:
                if id(source) not in kept:
                    del sources[name]
                    self._drop(source)

    async def warm(self) -> list[tuple[str, str]]:
        """Ask all at once; those that failed, each by name with the reason."""
        failures = await asyncio.gather(*map(_failure, self._all()))
        return [failure for failure in failures if failure]

    def status(self) -> list[Status]:
        """One row for each name and kind. Asks nobody."""
        rows: dict[tuple[str, str], Status] = {}
        for row in chain.from_iterable(map(_status, self._all())):
            held = rows.get((row.name, row.kind))
            rows[row.name, row.kind] = _together(held, row) if held else row
        return [*rows.values()]

    async def close(self) -> None:
        """Ask no more."""
        await asyncio.gather(*(source.close() for source in self._all()), *self._closing)

    def _all(self) -> list[Source]:
        return [*self._jwks.values(), *self._introspectors.values(), *self._proxies.values()]

    def _source(self, accept: Accept) -> Source:
        match accept:
            case Jwt():
                return self.jwks(accept)
            case Introspection():
                return self.introspector(accept)
            case Session():
                return self.oauth2_proxy(accept)
            case _:
                assert_never(accept)

    def _make_jwks(self, accept: Jwt) -> Jwks:
        made = Jwks(accept.issuer, accept.jwks_uri, self._client.own(), self._clock, self._settings)
        self._jwks[accept.issuer, accept.jwks_uri] = made
        return made

    def _make_introspector(self, accept: Introspection) -> Introspector:
        made = Introspector(accept, self._client, self._clock, self._settings, self._wait_s)
        self._introspectors[accept.source] = made
        return made

    def _make_proxy(self, accept: Session) -> OAuth2Proxy:
        made = OAuth2Proxy(accept, self._client, self._clock, self._wait_s)
        self._proxies[accept.oauth2_proxy] = made
        return made

    def _drop(self, source: Source) -> None:
        source.cancel()
        closing = asyncio.create_task(source.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


async def _failure(source: Source) -> tuple[str, str] | None:
    try:
        await source.warm()
    except Unavailable as error:
        return source.name, str(error)
    return None


def _status(source: Source) -> Iterator[Status]:
    if isinstance(source, Jwks):
        yield _kept(source.name, "jwks", source.set)
        return
    if isinstance(source, Introspector) and source.discovered:
        yield _kept(source.name, "discovery", source.discovered)
    gate, kind = source.gate, "introspection" if isinstance(source, Introspector) else "session"
    shut = not gate.breaker.is_closed
    yield Status(source.name, _age(gate.age_s), gate.error, kind, shut, calls=gate.counts)


def _kept(name: str, kind: str, fetched: Fetched[Any]) -> Status:
    calls = dict(fetched.counts)
    return Status(name, _age(fetched.age_s), fetched.error, kind, left_s=fetched.left_s, calls=calls)


def _together(one: Status, other: Status) -> Status:
    """Of two that differ in how long answers are kept: a metric has one value for its labels."""
    ages = [age_s for age_s in (one.age_s, other.age_s) if age_s >= 0]
    calls = {outcome: number + other.calls[outcome] for outcome, number in one.calls.items()}
    lasting = [left_s for left_s in (one.left_s, other.left_s) if left_s is not None]
    return replace(
        one,
        age_s=min(ages, default=-1.0),
        error=one.error or other.error,
        shut=one.shut or other.shut,
        left_s=min(lasting, default=None),
        calls=calls,
    )


def _age(age_s: float) -> float:
    return age_s if isfinite(age_s) else -1.0
