"""The two programs of a cluster: `authz serve` and `authz controller`."""

import sys
from pathlib import Path

import click

from authz.cli import options


@click.command()
@click.option("--config", "config_file", type=options.FILE, required=True, help="Configuration file.")
@click.option("--worker", type=click.Path(path_type=Path), hidden=True)
def serve(config_file: Path, worker: Path | None) -> None:
    """Run the authorizer until SIGTERM; rules and settings are reloaded when their files change."""
    from authz.server.run import serve as run

    sys.exit(run(config_file, worker))


@click.command()
@click.option("--config", "config_file", type=options.FILE, required=True, help="Configuration file.")
def controller(config_file: Path) -> None:
    """Write Istio's objects for the APIRules of a cluster until SIGTERM; of several replicas one leads."""
    from authz.controller import run

    sys.exit(run.control(config_file))
