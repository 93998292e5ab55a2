"""`authz up`: the laptop with somebody looking at it. Says where everything is, then what happens.

Edits of the files are picked up as they are saved; a bad one is reported and the last good state stays.
"""

import asyncio
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from authz.local import envoy, plan
from authz.local.laptop import Laptop
from authz.local.lines import Story
from authz.local.plan import Plan
from authz.local.ports import LOOPBACK, Ports
from authz.local.problems import Problems
from authz.server import files, reload

SAMPLES = Path(__file__).parents[2] / "config" / "samples"


def run(sources: Sequence[Path], offset: int = 0) -> int:
    """Until Ctrl-C or SIGTERM. 1 where the files are bad, a port is taken or a part does not come up."""
    try:
        asyncio.run(_run(sources or [SAMPLES], offset))
    except Problems as problems:
        _say(*problems.messages)
        return 1
    return 0


def envoy_configuration(resources: Sequence[plan.Resource], loaded: files.Loaded) -> list[dict[str, Any]]:
    """What the gateway and the sidecar would be told, each as one static configuration."""
    made = Plan((), loaded, tuple(resources))
    ports, places = Ports(), plan.numbered(made.backends, {})
    compiled = envoy.compile(resources, plan.mesh(made, ports, Path("certs"), places, {}))
    return [
        envoy.bootstrap(compiled.gateway, ports.gateway_admin, "gateway"),
        envoy.bootstrap(compiled.sidecar, ports.sidecar_admin, "sidecar"),
    ]


def welcome(laptop: Laptop, offset: int) -> Iterable[str]:
    """Where everything is, and something to try for each rule."""
    ports = laptop.ports
    yield f"gateway            http://*.localhost:{ports.gateway}"
    yield f"identity provider  {laptop.issuer.url}   (users: alice, bob)"
    yield f"metrics            http://{LOOPBACK}:{ports.authorizer}/metrics"
    yield f"Envoys             http://{LOOPBACK}:{ports.gateway_admin} and :{ports.sidecar_admin}"
    yield ""
    yield from plan.suggestions(laptop.plan, ports, offset)
    yield ""


async def _run(sources: Sequence[Path], offset: int) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    story = Story(_say, loop.call_later)
    async with Laptop(sources, offset, story.heard) as laptop:
        _say(*welcome(laptop, offset))
        watching = [asyncio.create_task(_follow(laptop, sources)), asyncio.create_task(_follow_keys(laptop))]
        await stop.wait()
        for task in watching:
            task.cancel()


async def _follow(laptop: Laptop, sources: Sequence[Path]) -> None:
    async def changed() -> None:
        try:
            await laptop.reload()
            _say("the files have changed, and so have the rules")
        except Problems as problems:
            _say(*problems.messages, "the last good rules stay")

    await reload.loop(lambda: sources, changed)


async def _follow_keys(laptop: Laptop) -> None:
    """Somebody may rotate them over HTTP."""
    known = laptop.issuer.kid
    while True:
        await asyncio.sleep(reload.PERIOD_S)
        if laptop.issuer.kid != known:
            known = laptop.issuer.kid
            await laptop.refresh_keys()


def _say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)
