"""How often an object has been put back: who fights for it with somebody else does so at a bounded pace.

Another controller of another configuration would else be answered at full speed. Guards that have gone are
not counted: without them nothing is safe.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from authz.controller.api import Refused
from authz.controller.belongings import Id
from authz.controller.held import Object
from authz.controller.kinds import VIRTUAL_SERVICES
from authz.controller.plan import Apply, Phase, plan
from authz.core.memo import Memo
from authz.istio.translate import Resource

TIMES_MAX = 10  # that the same is written within a minute: hands do not get there
WINDOW_S = 60.0
REMEMBERED_MAX = 20_000  # objects; of more that are fought for, some at full speed

_MESSAGE = "{} {} was put back {} times within a minute: somebody else changes it too"


class Contested(Refused):
    """Somebody else writes it too."""

    def __init__(self, id_: Id) -> None:
        super().__init__(409, _MESSAGE.format(*id_, TIMES_MAX))


class Rewrites:
    """`clock` gives seconds; it may be set."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counted = Memo[tuple[int, float]](REMEMBERED_MAX)  # and since when

    @contextmanager
    def counted(self, id_: Id, content: bytes = b"") -> Iterator[None]:
        """It is written so, or deleted; what fails does not count. Raises Contested, before that."""
        now_s, key = self._clock(), (id_, hash(content))
        times, since_s = self._counted.get(key) or (0, now_s)
        if not 0 <= now_s - since_s < WINDOW_S:
            times, since_s = 0, now_s
        if times == TIMES_MAX:
            raise Contested(id_)
        yield
        self._counted.put(key, (times + 1, since_s))


def lost(desired: Iterable[Resource], actual: Iterable[Object]) -> tuple[Phase, ...]:
    """What puts back guards that have gone, though their route is fought for.

    Nothing where one that stands is to become another: an edit is made in its order, or not at all.
    """
    guards = [resource for resource in desired if resource["kind"] != VIRTUAL_SERVICES.name]
    standing = [one for one in actual if one.kind != VIRTUAL_SERVICES.name]
    there, phases = {one.id for one in standing}, plan(guards, standing)
    steps = (step for phase in phases for step in phase)
    return phases if all(isinstance(step, Apply) and step.id not in there for step in steps) else ()
