"""How much of what costs a client nothing, and us something, is borne on one connection.

A budget fills with time and with calls; who overdraws it loses the connection (ENHANCE_YOUR_CALM).
"""

from authz.server.h2.faults import Cause, Code, ConnectionFault
from authz.server.h2.limits import Budget, Limits


class Budgets:
    """Of one connection."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._purses = {
            Cause.RESETS: _Purse(limits.resets, now),
            Cause.SETTINGS: _Purse(limits.settings, now),
            Cause.PINGS: _Purse(limits.pings, now),
            Cause.EMPTY_DATA: _Purse(limits.empty_data, now),
            Cause.PIECES: _Purse(limits.pieces, now),
            Cause.WINDOWS: _Purse(limits.windows, now),
            Cause.NOISE: _Purse(limits.noise, now),
        }

    def spend(self, cause: Cause, now: float, calls: int) -> None:
        """Raises ConnectionFault. `calls` is how many there have been so far."""
        if not self._purses[cause].spend(now, calls):
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, f"too many: {cause}", cause)


class _Purse:
    __slots__ = ("_at_s", "_budget", "_calls", "_left")

    def __init__(self, budget: Budget, now: float) -> None:
        self._budget = budget
        self._left = float(budget.burst)
        self._at_s = now
        self._calls = 0

    def spend(self, now: float, calls: int) -> bool:
        budget = self._budget
        filled = (now - self._at_s) * budget.per_s + (calls - self._calls) * budget.per_call
        self._left = min(budget.burst, self._left + filled) - 1
        self._at_s, self._calls = now, calls
        return self._left >= 0
