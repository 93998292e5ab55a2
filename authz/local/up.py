"""`authz up`: the laptop with somebody looking at it. Says where everything is, then what happens.

Edits of the files are picked up as they are saved; a bad one is reported and the last good state stays.
"""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from authz.istio.translate import Resource
from authz.local import command, envoy, lines, plan, site, suggestions
from authz.local.cluster import Cluster
from authz.local.failure import CannotRun
from authz.local.laptop import Laptop
from authz.local.lines import Story
from authz.local.plan import Plan
from authz.local.ports import LOOPBACK, Ports
from authz.local.process import Process
from authz.local.sign_in import SignIn
from authz.server import reload
from authz.server.ruleset import Loaded

SAMPLES = Path(__file__).parents[2] / "config" / "samples"
SAMPLES_LOGIN = SAMPLES.with_name("samples-login")

Idp = Literal["development", "keycloak"]


def run(
    sources: Sequence[Path], offset: int = 0, idp: Idp = "development", *, kubernetes: bool = False
) -> int:
    """Until Ctrl-C or SIGTERM. 1 if the files are bad, a port is taken, or a part does not run or stay."""
    try:
        signing_in = SignIn() if idp == "keycloak" else None
        samples = SAMPLES_LOGIN if signing_in else SAMPLES
        kind = Cluster if kubernetes else Laptop
        asyncio.run(_run(kind, sources or [samples], offset, signing_in))
    except CannotRun as failure:
        _complain(*failure.messages)
        return 1
    return 0


def envoy_configuration(resources: Sequence[Resource], loaded: Loaded) -> list[dict[str, Any]]:
    """What the gateway and the sidecar would be told, each as one static configuration.

    Raises CannotRun for what they would not do as Istio does.
    """
    made = Plan((), loaded, tuple(resources))
    ports, places = Ports(), site.numbered(made.backends, {})
    compiled = plan.compiled(made, ports, Path("certs"), places, {})
    return [
        envoy.bootstrap(compiled.gateway, ports.gateway_admin, "gateway"),
        envoy.bootstrap(compiled.sidecar, ports.sidecar_admin, "sidecar"),
    ]


def welcome(laptop: Laptop | Cluster, authz: Sequence[str], offset: int) -> Iterable[str]:
    """Where everything is, and something to try for each rule. `authz` are the words that start us."""
    ports = laptop.ports
    yield f"gateway            http://*.localhost:{ports.gateway}"
    yield f"identity provider  {laptop.issuer.url}   (users: alice, bob)"
    if laptop.signing_in:
        yield from laptop.signing_in.welcome(laptop.plan, ports)
    yield f"why?               http://{LOOPBACK}:{ports.authorizer}/, the console"
    yield f"metrics            http://{LOOPBACK}:{ports.authorizer}/metrics"
    if isinstance(laptop, Cluster):
        yield f"                   http://{LOOPBACK}:{ports.controller}/metrics, of the controller"
    yield f"Envoys             http://{LOOPBACK}:{ports.gateway_admin} and :{ports.sidecar_admin}"
    yield ""
    if not laptop.plan.loaded.rules:
        yield "There is no APIRule: until there is one, the gateway answers 404 to everything"
    yield from suggestions.curls(laptop.plan, ports, authz, offset)
    if isinstance(laptop, Cluster):
        yield ""
        yield from suggestions.kubectl(laptop.plan, laptop.kubeconfig)
    yield ""
    yield lines.HEADINGS


async def _run(
    kind: type[Laptop | Cluster], sources: Sequence[Path], offset: int, signing_in: SignIn | None
) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    story = Story(_say, loop.call_later)
    seen = reload.fingerprint(sources)
    laptop = kind(sources, offset, story.heard, signing_in)
    _say(f"Starting {laptop.CAST}, and an echo for each Service.")
    if signing_in:
        _say("Keycloak takes half a minute.")
    _say("Ctrl-C stops all of it.", "")
    async with laptop:
        _say(*welcome(laptop, command.again(sys.argv[0], sys.executable, Path.cwd()), offset))
        needed = (_stays(each) for each in laptop.parts)
        await _first(stop.wait(), *_followed(laptop, sources, seen), *needed)
        _say("", "Stopping")


def _followed(
    laptop: Laptop | Cluster, sources: Sequence[Path], seen: reload.Fingerprint
) -> Iterator[Coroutine[Any, Any, None]]:
    """In a cluster nobody looks at files any more, and the mesh itself asks for keys."""
    match laptop:
        case Cluster():
            yield laptop.broken()
        case Laptop():
            yield _follow(laptop, sources, seen)
            yield _follow_keys(laptop)


async def _first(*awaited: Coroutine[Any, Any, object]) -> None:
    """Until one of them returns or raises, which is then raised here."""
    tasks = [asyncio.create_task(each) for each in awaited]
    done, running = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await asyncio.gather(*done)


async def _stays(part: Process) -> None:
    """Raises CannotRun once it has ended: nobody starts it again here, as Kubernetes would."""
    raise CannotRun([f"the {part.name} {await part.ended()}, so everything else has been stopped"])


async def _follow(laptop: Laptop, sources: Sequence[Path], seen: reload.Fingerprint) -> None:
    async def changed() -> None:
        try:
            await laptop.reload()
            _say("the files have changed, and so have the rules")
        except CannotRun as failure:
            _complain(*failure.messages, "the last good rules stay")

    await reload.loop(lambda: sources, changed, seen)


async def _follow_keys(laptop: Laptop) -> None:
    """Somebody may rotate them over HTTP."""
    known = laptop.issuer.kid
    while True:
        await asyncio.sleep(reload.PERIOD_S)
        if laptop.issuer.kid != known:
            known = laptop.issuer.kid
            await laptop.refresh_keys()
            _say("the identity provider has a new key, and the mesh knows it")


def _say(*told: str) -> None:
    for line in told:
        print(line, flush=True)


def _complain(*messages: str) -> None:
    for message in messages:
        print(message, file=sys.stderr, flush=True)
