"""How long a connection may take over anything, from its preface to its last GOAWAY.

Only times live here; what follows from them is the connection's to do.
"""

from enum import Enum, auto
from math import inf

from authz.server.h2.limits import Limits


class Step(Enum):
    """What is due."""

    NOTHING = auto()
    PREFACE_LATE = auto()
    ASK = auto()  # a PING, to see if anyone is there
    SILENT = auto()
    DRAIN = auto()  # the first GOAWAY
    LAST_CALL = auto()  # the second, without waiting for the PING between
    OVER = auto()  # whatever is in flight


class Lifetime:
    """Of one connection; all times are of the caller's monotonic clock."""

    def __init__(self, limits: Limits, now: float, expires_s: float = inf) -> None:
        self.greeted = False  # the client's preface and SETTINGS are here
        self.last_called = False
        self._limits = limits
        self._born_s = self._heard_s = self._busy_s = now
        self._expires_s = expires_s
        self._asked = False
        self._draining_s: float | None = None

    @property
    def draining(self) -> bool:
        """The first GOAWAY has gone."""
        return self._draining_s is not None

    def heard(self, now: float) -> None:
        """Something came."""
        self._heard_s = now
        self._asked = False

    def drain(self, now: float) -> None:
        """The first GOAWAY goes."""
        self._draining_s = now

    def due(self, now: float, busy: bool) -> Step:
        """What to do now; looked at every so often. `busy` is whether there are streams."""
        if busy:
            self._busy_s = now
        if self._draining_s is not None:
            return self._ending(now - self._draining_s)
        if not self.greeted:
            return Step.PREFACE_LATE if now - self._born_s > self._limits.preface_s else Step.NOTHING
        if now > self._expires_s or now - self._busy_s > self._limits.idle_s:
            return Step.DRAIN
        return self._silence(now - self._heard_s)

    def _ending(self, since_s: float) -> Step:
        if since_s > self._limits.drain_s:
            return Step.OVER
        late = since_s > self._limits.goaway_s and not self.last_called
        return Step.LAST_CALL if late else Step.NOTHING

    def _silence(self, since_s: float) -> Step:
        if since_s > self._limits.silence_s + self._limits.pong_s:
            return Step.SILENT
        if since_s > self._limits.silence_s and not self._asked:
            self._asked = True
            return Step.ASK
        return Step.NOTHING
