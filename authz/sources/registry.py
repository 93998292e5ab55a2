"""Every source of this process: made when a policy names it, dropped when none does any more.

Outlives each policy, so that a reload throws no key away.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

from authz.core.policy import Jwt
from authz.core.reason import Unavailable
from authz.sources.fetched import REFRESH, Clock, Refresh
from authz.sources.http import Client
from authz.sources.jwks import Jwks


@dataclass(frozen=True, slots=True)
class Status:
    """How a source is doing. `age_s` is that of its last good answer, -1 if there was none."""

    name: str
    age_s: float
    error: str


class Sources:
    """One `Jwks` for each issuer and address of its keys."""

    def __init__(self, client: Client, clock: Clock, settings: Refresh = REFRESH) -> None:
        self._client = client
        self._clock = clock
        self._settings = settings
        self._jwks: dict[tuple[str, str], Jwks] = {}

    def jwks(self, accept: Jwt) -> Jwks:
        """The keys that `accept` trusts; made on the spot if `keep` has not seen it."""
        return self._jwks.get((accept.issuer, accept.jwks_uri)) or self._make(accept)

    def keep(self, accepts: Iterable[Jwt]) -> None:
        """Have the sources of these and no others. What is already there stays as it is."""
        kept = {(accept.issuer, accept.jwks_uri): self.jwks(accept) for accept in accepts}
        for name in self._jwks.keys() - kept.keys():
            self._jwks.pop(name).cancel()

    async def warm(self) -> list[tuple[str, str]]:
        """Ask all at once; those that failed, each by name with the reason."""
        failures = await asyncio.gather(*map(_failure, tuple(self._jwks.values())))
        return [failure for failure in failures if failure]

    def status(self) -> list[Status]:
        """One row for each source. Asks nobody."""
        return [_status(jwks) for jwks in self._jwks.values()]

    async def close(self) -> None:
        """Ask no more."""
        await asyncio.gather(*(jwks.close() for jwks in self._jwks.values()))

    def _make(self, accept: Jwt) -> Jwks:
        made = Jwks(accept.issuer, accept.jwks_uri, self._client, self._clock, self._settings)
        self._jwks[accept.issuer, accept.jwks_uri] = made
        return made


async def _failure(jwks: Jwks) -> tuple[str, str] | None:
    try:
        await jwks.warm()
    except Unavailable as error:
        return jwks.name, str(error)
    return None


def _status(jwks: Jwks) -> Status:
    age_s = jwks.set.age_s
    return Status(jwks.name, age_s if isfinite(age_s) else -1.0, jwks.set.error)
