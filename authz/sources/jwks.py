"""The keys of one issuer, fetched before they are needed.

An unknown `kid` may be a new key or an attack: it costs the issuer at most one call per cool-down.
"""

from cachetools import TTLCache

from authz.core import keys
from authz.core.keys import Key, KeySet
from authz.core.reason import Reason, Refused, Unavailable
from authz.sources.discovery import discover
from authz.sources.fetched import REFRESH, Clock, Fetched, Refresh
from authz.sources.http import Client

UNKNOWN_MAX = 1_000  # keys remembered as not in the set
UNKNOWN_S = 30.0  # an issuer may sign with a new key before all of its servers list it


class Jwks:
    """The key set at `jwks_uri`, or where the issuer's metadata says if that is empty."""

    def __init__(
        self, issuer: str, jwks_uri: str, client: Client, clock: Clock, settings: Refresh = REFRESH
    ) -> None:
        self.name = f"{issuer} {jwks_uri}".rstrip()
        self._issuer = issuer
        self._jwks_uri = jwks_uri
        self._client = client
        self._metadata = Fetched(lambda: discover(client, issuer), clock, settings)
        self.set = Fetched(self._fetch, clock, settings)
        self._unknown: TTLCache[int, None] = TTLCache(UNKNOWN_MAX, UNKNOWN_S, clock)

    def find(self, kid: str, algorithm: str) -> Key | None:
        """The key if it is at hand. Never waits."""
        held = self.set.peek()
        return held.find(kid, algorithm) if held else None

    async def key(self, kid: str, algorithm: str) -> Key:
        """The key, asking the issuer if need be. Raises Refused(KEY_UNKNOWN) or Unavailable."""
        found = (await self.set.get()).find(kid, algorithm)
        return found or await self._look_again(kid, algorithm)

    async def warm(self) -> None:
        """Have a set. Raises Unavailable."""
        await self.set.get()

    def cancel(self) -> None:
        """Ask no more; what is held serves on."""
        self.set.cancel()
        self._metadata.cancel()

    async def close(self) -> None:
        """Cancel, see the calls under way end, and close the connections."""
        await self.set.close()
        await self._metadata.close()
        await self._client.close()

    async def _look_again(self, kid: str, algorithm: str) -> Key:
        if self._name(kid, algorithm) in self._unknown:
            raise Refused(Reason.KEY_UNKNOWN)
        renewed = await self.set.refresh()
        if found := self.find(kid, algorithm):
            return found
        if renewed:
            self._unknown[self._name(kid, algorithm)] = None
        elif self.set.failing:  # nobody can say now that it is unknown
            raise Unavailable(self.set.error)
        raise Refused(Reason.KEY_UNKNOWN)

    def _name(self, kid: str, algorithm: str) -> int:
        """What is unknown is so to one generation of the set. A hash, for a `kid` may be long."""
        return hash((self.set.generation, kid, algorithm))

    async def _fetch(self) -> KeySet:
        uri = self._jwks_uri or await self._metadata.get()
        document = await self._client.get(uri)
        try:
            return keys.parse(document)
        except ValueError as error:
            raise Unavailable(f"the key set of {self._issuer}: {error}") from error
