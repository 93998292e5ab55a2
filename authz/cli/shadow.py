"""`authz migrate shadow`: copies of live requests, decided by both worlds."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authz.cli import old, options, verify

if TYPE_CHECKING:
    from authz.migrate.verification.proof import Matter


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="OLD…")
@click.option("--new", type=options.PATH, required=True, help="What `convert --out` has written: a folder.")
@click.option("--config", "config_file", type=options.FILE, help="Our configuration; else NEW/authz.yaml.")
@click.option("--oathkeeper", metavar="URL", required=True, help="Oathkeeper's API, for example port 4456.")
@click.option("--oathkeeper-config", type=options.FILE, help="Its config.yaml, if it is not among OLD.")
@click.option("--listen", default="0.0.0.0:8080", show_default=True, help="Where Envoys send their copies.")
@click.option("--page", default="127.0.0.1:9194", show_default=True, help="Where its page and report are.")
def shadow(
    files: tuple[str, ...],
    new: Path,
    config_file: Path | None,
    oathkeeper: str,
    oathkeeper_config: Path | None,
    **addresses: str,
) -> None:
    """Judge copies of live requests by the old rules and the new, until SIGTERM; nothing is enforced.

    `authz migrate apply --to shadow` has the gateway send the copies. PAGE shows every difference with its
    reason, PAGE/report.json the same for `apply --report`. No credential is shown or kept.

    \b
    authz migrate shadow old/ --new new --oathkeeper http://ory-oathkeeper-api.kyma-system:4456
    """
    from authz.migrate.verification import oathkeeper as asked
    from authz.migrate.verification.proof import Matter

    world, problems = old.world(files, settings=old.settings(oathkeeper_config))
    loaded = verify.new_rules(new, config_file)
    options.fail_on((*problems, *world.problems, *loaded.problems))
    matter = Matter(world, loaded, verify.findings_of(new / verify.REPORT, loaded))
    try:
        asyncio.run(_run(matter, oathkeeper, addresses))
    except (asked.Unreachable, OSError) as error:
        options.fail_on([str(error)])
    sys.exit(0)


async def _run(matter: Matter, oathkeeper: str, addresses: dict[str, str]) -> None:
    from authz.migrate.report import bound
    from authz.migrate.stages.shadow import Shadow, receiving, telling
    from authz.migrate.verification import proof
    from authz.server.admin import BEHIND_ENVOY_S, Server

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with proof.verification(matter, oathkeeper) as run:
        seen = Shadow(run, matter.loaded.policy, bound.digests(rule for _, rule in matter.loaded.rules))
        servers = [
            Server(receiving(seen), addresses["listen"], BEHIND_ENVOY_S),
            Server(telling(seen), addresses["page"]),
        ]
        for server in servers:
            await server.start()
        click.echo(f"copies come to {addresses['listen']}, differences are at http://{addresses['page']}/")
        await stop.wait()
        for server in servers:
            await server.stop()
