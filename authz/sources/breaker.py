"""When an endpoint that fails is left alone: a value that says so, renewed by each outcome.

Pure: `now` is a parameter, monotonic seconds. Closed it lets calls through, open it lets none, and after
a pause one at a time (half-open) to see whether the endpoint is back.
"""

from dataclasses import dataclass, replace
from math import inf

FAILURES_MAX = 5  # in a row: one lost packet is no outage
PAUSE_S = 1.0  # the first; each probe that fails doubles it
PAUSE_MAX_S = 30.0  # an endpoint that is back is noticed within half a minute
_DOUBLINGS_MAX = 5  # of PAUSE_S, beyond PAUSE_MAX_S


@dataclass(frozen=True, slots=True)
class Breaker:
    """`failures` in a row; once they are too many, no call before `until_s`, and then `probes`."""

    failures: int = 0
    probes: int = 0
    until_s: float = -inf

    @property
    def is_closed(self) -> bool:
        """Nothing is known against the endpoint."""
        return self.failures < FAILURES_MAX

    def admits(self, now: float) -> bool:
        """A call may be made now."""
        return self.is_closed or now >= self.until_s

    def asked(self, now: float) -> "Breaker":
        """A call is being made. If it is a probe, the next one comes after a pause twice as long."""
        if self.is_closed:
            return self
        pause_s = min(PAUSE_MAX_S, PAUSE_S * 2.0 ** min(self.probes + 1, _DOUBLINGS_MAX))
        return replace(self, probes=self.probes + 1, until_s=now + pause_s)

    def failed(self, now: float) -> "Breaker":
        """One more in a row. Of what was under way when it opened, nothing more follows."""
        if not self.is_closed:
            return self
        return replace(self, failures=self.failures + 1, until_s=now + PAUSE_S)


CLOSED = Breaker()  # as after each success
