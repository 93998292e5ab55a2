"""`authz migrate plan`, `apply` and `undo`: APIRules from Oathkeeper to their workloads, stage by stage."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from authz.cli import options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from authz.controller.api import Api
    from authz.controller.kinds import Document
    from authz.migrate.stages.journey import Journey

_FILES = click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path))
_CONFIG = click.option(
    "--config", "config_file", type=options.FILE, required=True, help="The controller's configuration file."
)
_ONLY = click.option("--only", multiple=True, metavar="NAMESPACE/NAME", help="These APIRules alone.")
_NAMESPACE = click.option("--namespace", default="", help="APIRules of this namespace alone.")
_DRY = click.option("--dry-run", is_flag=True, help="Print the diff of every object, and write nothing.")
_SETTLE = click.option(
    "--settle", default=5.0, show_default=True, metavar="SECONDS", help="Until every Envoy has heard."
)
_DRAIN = click.option(
    "--drain", default=50.0, show_default=True, metavar="SECONDS", help="Until old connections have ended."
)
_OATHKEEPER = click.option(
    "--oathkeeper",
    multiple=True,
    metavar="URL",
    help="Its API, where it is asked for its rules; once for each of its pods.",
)
_LABEL = click.option("--label", default="", metavar="NAME=VALUE", help="APIRules with this label alone.")


def _service(context: click.Context, option: click.Parameter, value: str) -> str:
    """Where copies go: a name alone would send them nowhere, and nobody would be told."""
    from authz.migrate.stages import saved

    try:
        return saved.shadowing(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, option) from error


@click.command()
@_FILES
@_CONFIG
@_ONLY
@_NAMESPACE
@_LABEL
def plan(files: tuple[Path, ...], config_file: Path, **chosen: Any) -> None:
    """Say for each APIRule of FILES, and each that is on its way, where it is and what comes next.

    FILES are what `convert` wrote, or folders of it. Nothing is written. Ends with 1 if anything stands
    in the way of an APIRule.

    \b
    authz migrate plan new --config authz.yaml
    """

    async def look(journey: Journey) -> bool:
        found = await journey.plan()
        click.echo("\n".join(journey.table(found)))
        return not any(one.obstacles for one in found)

    sys.exit(0 if _run(look, files, config_file, chosen) else 1)


@click.command()
@_FILES
@_CONFIG
@_ONLY
@_NAMESPACE
@_LABEL
@click.option("--to", type=click.Choice(["prepare", "shadow", "switch", "finish"]), help="Else one stage.")
@click.option(
    "--shadow",
    callback=_service,
    default="",
    metavar="NAME.NAMESPACE:PORT",
    help="The Service of `migrate shadow`.",
)
@click.option("--report", default="", metavar="URL", help="Where `migrate shadow` shows what it has seen.")
@click.option("--without-shadow", is_flag=True, help="Switch what no shadow has seen.")
@click.option("--in-cluster", type=click.Choice(["keep", "refuse"]), default="keep", show_default=True)
@_OATHKEEPER
@_SETTLE
@_DRAIN
@_DRY
def apply(files: tuple[Path, ...], config_file: Path, to: str | None, dry_run: bool, **said: Any) -> None:
    """Take APIRules to the next stage, or stage by stage to the one that is named.

    \b
    prepare   the new APIRule is there and held; callers notice nothing
    shadow    live requests are copied to `migrate shadow`; callers notice nothing
    switch    the new guards, then the new route; the old one goes
    finish    the old Rules go; callers in the cluster are kept, or refused

    What is interrupted goes on when it is called again. APIRules that something stands in the way of are
    left where they are; then it ends with 1.

    \b
    authz migrate apply new --config authz.yaml --only shop/orders --dry-run
    authz migrate apply new --config authz.yaml --only shop/orders --to prepare
    """

    async def travel(journey: Journey) -> bool:
        return await journey.apply(to, dry_run=dry_run)

    sys.exit(0 if _run(travel, files, config_file, said) else 1)


@click.command()
@click.argument("only", nargs=-1, metavar="[NAMESPACE/NAME]...")
@_CONFIG
@_NAMESPACE
@_LABEL
@click.option("--to", type=click.Choice(["before", "prepare", "shadow", "switch"]), help="Else one stage.")
@_OATHKEEPER
@_SETTLE
@_DRAIN
@_DRY
def undo(config_file: Path, to: str | None, dry_run: bool, **said: Any) -> None:
    """Take APIRules back to the stage before, or to the one that is named; the old routes come first.

    Without names all that are on their way.

    \b
    authz migrate undo shop/orders --config authz.yaml
    """

    async def travel(journey: Journey) -> bool:
        return await journey.undo(to, dry_run=dry_run)

    sys.exit(0 if _run(travel, (), config_file, said) else 1)


def _run(
    act: Callable[[Journey], Coroutine[Any, Any, bool]],
    files: tuple[Path, ...],
    config_file: Path,
    said: dict[str, Any],
) -> bool:
    from authz import config
    from authz.controller import kubeconfig
    from authz.controller.api import Refused, Unreachable
    from authz.migrate.stages.cluster import Stuck
    from authz.migrate.stages.journey import Choices, Journey

    try:
        settings = config.read(config_file)
    except config.Invalid as invalid:
        options.fail_on(f"{config_file}: {problem}" for problem in invalid.problems)
        return False
    wanted = _apirules(files)

    async def run() -> bool:
        async with _api(kubeconfig.find(settings.kubernetes.kubeconfig)) as api:
            return await act(Journey(api, settings, wanted, Choices(**said), click.echo))

    try:
        return asyncio.run(run())
    except (Refused, Unreachable, Stuck, kubeconfig.Unusable) as error:
        options.fail_on([str(error)])
        return False


@asynccontextmanager
async def _api(access: Any) -> AsyncIterator[Api]:
    from authz.migrate.stages import cluster

    async with cluster.entered(access) as api:
        yield api


def _apirules(files: tuple[Path, ...]) -> list[Document]:
    """Of what `convert` wrote; the reports beside them are no documents."""
    from authz.migrate.old import files as sources

    found, problems = sources.read([str(file / "apirules.yaml" if file.is_dir() else file) for file in files])
    options.fail_on(problems)
    return [body for _, body in found if isinstance(body, dict) and body.get("kind") == "APIRule"]
