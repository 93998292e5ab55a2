"""How often something may be done: a bucket that fills at a steady rate, so that no caller sets the pace."""

import time
from collections.abc import Callable

BURST_S = 5  # of the rate at once: a handful of callers in trouble are seen to the last


class Bucket:
    """`clock` is in monotonic seconds."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second = per_second
        self._clock = clock
        self._left = float(per_second * BURST_S)
        self._filled_at = clock()

    def take(self) -> bool:
        """True if it may be done now."""
        now = self._clock()
        filled = self._left + (now - self._filled_at) * self.per_second
        self._left, self._filled_at = min(filled, self.per_second * BURST_S), now
        if self._left < 1:
            return False
        self._left -= 1
        return True
