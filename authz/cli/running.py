"""The two programs of a cluster, `authz serve` and `authz controller`, and how they are."""

import sys
from pathlib import Path

import click

from authz.cli import options


@click.command()
@click.option("--config", "config_file", type=options.FILE, required=True, help="Configuration file.")
@click.option("--worker", type=click.Path(path_type=Path), hidden=True)
def serve(config_file: Path, worker: Path | None) -> None:
    """Run the authorizer until SIGTERM; rules and settings are reloaded when their files change.

    \b
    authz config example > authz.yaml      # then say who is accepted
    authz serve --config authz.yaml
    """
    from authz.server.run import serve as run

    sys.exit(run(config_file, worker))


@click.command()
@click.option("--config", "config_file", type=options.FILE, required=True, help="Configuration file.")
def controller(config_file: Path) -> None:
    """Write Istio's objects for the APIRules of a cluster until SIGTERM; of several replicas one leads.

    \b
    KUBECONFIG=~/.kube/config authz controller --config authz.yaml
    """
    from authz.controller import run

    sys.exit(run.control(config_file))


@click.command()
@click.argument("address", default="127.0.0.1:9192")
@click.option("--ready", is_flag=True, help="Whether it is ready to be asked, and not only alive.")
def health(address: str, ready: bool) -> None:
    """Ask the program whose admin port is at ADDRESS how it is; the exit code is 0 if it is well.

    ADDRESS is `listen.admin` of `serve`, or `controller.admin` of `controller` (127.0.0.1:9193).

    \b
    authz health                           # a `serve` of this machine
    authz health --ready 127.0.0.1:9193    # a `controller`
    """
    from authz.server.health import problem

    try:
        found = problem(address, "/readyz" if ready else "/healthz")
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="ADDRESS") from error
    options.fail_on([found] if found else [])
    click.echo("ready" if ready else "alive")
