"""The authorizer in a cluster: it watches the APIRules itself, and outlives the API server.

Ready after the first look; whatever happens to the API server then, the last policy stays in force.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator

import structlog

from authz.config import Config
from authz.controller import kubeconfig
from authz.controller.api import Api
from authz.controller.kinds import APIRULES, GATEWAYS
from authz.controller.watch import Watch
from authz.server.authorizers import authorizers_of
from authz.server.followed import Followed
from authz.server.ruleset import Loaded, mesh_of

GATHER_S = 0.02  # changes that come together become one policy

_log = structlog.get_logger()


class Following:
    """`enforce` is called with each new policy. Raises Unusable if there is no way to a cluster."""

    def __init__(self, settings: Config, enforce: Callable[[Loaded], None]) -> None:
        self._settings = settings
        self._enforce = enforce
        self._api = Api(kubeconfig.find(settings.kubernetes.kubeconfig))
        self._news = asyncio.Event()
        self._followed = Followed(authorizers_of(settings), mesh_of(settings), self._news.set)
        self._watches = (
            Watch(self._api, APIRULES, self._followed.rules),
            Watch(self._api, GATEWAYS, self._followed.gateways),
        )

    def loops(self) -> Iterator[Coroutine[None, None, None]]:
        """To be run as long as this lives."""
        yield from (watch.run() for watch in self._watches)
        yield self._follow()

    async def synced(self) -> None:
        """Everything has been seen once, and is enforced."""
        for watch in self._watches:
            await watch.synced.wait()
        self._take()

    def configure(self, settings: Config) -> None:
        """Another configuration."""
        self._settings = settings
        self._followed.configure(authorizers_of(settings), mesh_of(settings))

    async def close(self) -> None:
        """After its loops have been cancelled."""
        await self._api.close()

    async def _follow(self) -> None:
        await self.synced()
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHER_S)
            self._take()

    def _take(self) -> None:
        self._news.clear()
        rules = tuple((rule.key, rule) for rule in self._followed.apirules)
        problems = tuple(self._followed.problems)
        self._enforce(Loaded(self._settings, rules, self._followed.cluster, self._followed.policy, problems))
