"""A coroutine that was started by hand and now waits: the rest of it, as something a task can run.

A Check that never waits needs no task at all; this is for those that do.
"""

from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


class Resumed(Coroutine[Any, Any, T]):
    """`waiting` is what the first step yielded: the task is given it first, as if it had made that step.

    The first step has no current task, so it may create tasks and futures, but not use `asyncio.timeout`.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], waiting: Any) -> None:
        self._coroutine = coroutine
        self._waiting = waiting
        self._started = False

    def send(self, value: Any) -> Any:
        """The next step."""
        if self._started:
            return self._coroutine.send(value)
        self._started = True
        return self._waiting

    def throw(self, *error: Any) -> Any:
        """What it waited for failed, or the task was cancelled."""
        self._started = True
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """It will not be run to its end."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        raise NotImplementedError("for a task only")
