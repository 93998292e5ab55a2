"""`python -m benchmarks.controller STAGE`: one stage, and the page made anew of all that have run."""

import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import click
import uvloop

from benchmarks import scale
from benchmarks.controller import page
from benchmarks.controller.stages import STAGES, Found, Place
from benchmarks.process import busy_s
from tests.controller.clusters import entered, prepare
from tests.kube.server import ApiServer

MEMORY = Path("/dev/shm")  # noqa: S108 - etcd's disk: others write to the real one meanwhile
CORES = len(os.sched_getaffinity(0))


@click.command()
@click.argument("stage", type=click.Choice(list(STAGES)))
@click.option("--count", default=1_000, help="APIRules.")
@click.option("--again", is_flag=True, help="Keep the earlier runs of this stage: the page shows the middle.")
def main(stage: str, count: int, again: bool) -> None:
    """Measure, and write docs/benchmarks-controller.md."""
    found = uvloop.run(measured(stage, count))
    page.keep(stage, found, again=again)
    scale.write()
    click.echo(json.dumps(found))


async def measured(stage: str, count: int) -> Found:
    """With a cluster of its own, whose etcd keeps everything in memory and waits for no disk."""
    folder = Path(tempfile.mkdtemp(prefix="authz-bench-", dir=MEMORY))
    try:
        with ApiServer(folder / "cluster") as server:
            access = prepare(server)
            async with entered(access) as cluster:
                began_s, before_s = time.monotonic(), _others_s(server)
                found = await STAGES[stage](Place(server, folder, cluster), count)
                others_s = _others_s(server) - before_s
                return found | {"others": max(0.0, others_s) / (time.monotonic() - began_s) / CORES}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _others_s(server: ApiServer) -> float:
    """What others have spent on the cores: not we, our API server, or our programs that have ended."""
    return busy_s() - server.cpu_s - sum(os.times()[:4])


if __name__ == "__main__":
    main()
