"""Why the laptop does not run, in words for the person who started it.

It is raised for their mistakes and their machine's; ours keep their tracebacks.
"""

from collections.abc import Iterable


class CannotRun(Exception):
    """`messages` are all the reasons at once, one line each."""

    def __init__(self, messages: Iterable[str]) -> None:
        self.messages = tuple(messages)
        super().__init__("\n".join(self.messages))
