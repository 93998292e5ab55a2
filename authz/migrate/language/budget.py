"""How much work a pattern may cost, counted in steps: the same pattern ends in the same way on every machine.

Tenants write the patterns, and whoever converts waits for all of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from authz.migrate.language.node import Undecided

PATTERN_MAX = 1_000_000  # steps, of half a microsecond; what people write takes a hundredth of it
HOST_MAX = 5_000_000  # for all rules of a host beside each other


@dataclass
class _Budget:
    left: int


_current: ContextVar[_Budget | None] = ContextVar("budget", default=None)


@contextmanager
def limited(steps: int) -> Iterator[None]:
    """What is done inside raises Undecided when it has taken more than that."""
    before = _current.set(_Budget(steps))
    try:
        yield
    finally:
        _current.reset(before)


def spend(steps: int) -> None:
    """A step is a state or a move that is looked at. Raises Undecided if none is left."""
    budget = _current.get()
    if budget is None:
        return
    budget.left -= steps
    if budget.left < 0:
        raise Undecided("it takes too long to compare")
