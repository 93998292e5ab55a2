"""What APIRules become, and what they decide: `authz render` and `authz explain`."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from authz.cli import options

if TYPE_CHECKING:
    from authz.istio.translate import Resource
    from authz.server.ruleset import Loaded

_files = click.argument("files", nargs=-1, required=True, type=options.PATH)
_config = click.option(
    "--config",
    "config_file",
    type=options.FILE,
    help="Configuration file; else the ConfigMap among FILES.",
)


@click.command()
@_files
@click.option(
    "--cluster", multiple=True, type=options.PATH, help="More objects: Services, Gateways, ConfigMaps."
)
@click.option("--target", type=click.Choice(["istio", "envoy"]), default="istio", show_default=True)
@_config
def render(files: tuple[Path, ...], cluster: tuple[Path, ...], target: str, config_file: Path | None) -> None:
    """Print what the APIRules in FILES become.

    FILES also hold the Services and Gateways that the rules name. Folders are read, not their folders.

    \b
    authz render shop.yaml --cluster cluster.yaml | kubectl apply -f -
    authz render config/samples --target envoy
    """
    from authz import writing
    from authz.server import ruleset

    gc.disable()  # to look for cycles among ten million values takes half the time
    loaded = _load((*files, *cluster), config_file)
    resources, problems = ruleset.translate(loaded)
    options.fail_on((*loaded.problems, *problems))
    made = _for_envoy(resources, loaded) if target == "envoy" else resources
    sys.stdout.write(writing.write(made))  # `echo` would search 80 MB for colours


@click.command()
@_files
@click.option("--method", "-X", default="GET", show_default=True, help="Request method.")
@click.option(
    "--url", required=True, help="As the client sends it, for example https://shop.localhost/orders."
)
@click.option("--header", "-H", "headers", multiple=True, help="A request header, 'Name: value'.")
@_config
def explain(
    files: tuple[Path, ...], method: str, url: str, headers: tuple[str, ...], config_file: Path | None
) -> None:
    """Say which rule decides a request, and for which reason.

    \b
    authz explain config/samples --url http://shop.localhost/orders
    authz explain rules/ -X POST --url https://shop.example.com/orders -H "Authorization: Bearer $TOKEN"
    """
    from authz.core.request import Request
    from authz.server import explain as why

    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--url") from error
    if not parts.netloc:
        raise click.BadParameter("a URL with scheme and host is expected", param_hint="--url")
    loaded = _load(files, config_file)
    request = Request(method.upper(), parts.netloc, parts.path or "/", parts.query, _headers(headers))
    click.echo(why.render(asyncio.run(why.explain(loaded, request))))
    options.fail_on(loaded.problems)


def _for_envoy(resources: list[Resource], loaded: Loaded) -> list[Resource]:
    from authz.local import up
    from authz.local.failure import CannotRun

    try:
        return up.envoy_configuration(resources, loaded)
    except CannotRun as failure:
        options.fail_on(failure.messages)
        raise


def _load(paths: Iterable[Path], config_file: Path | None) -> Loaded:
    from authz import config as settings
    from authz.server import files as yamls
    from authz.server import ruleset

    try:
        given = settings.read(config_file) if config_file else None
    except settings.Invalid as invalid:
        options.fail_on(f"{config_file}: {problem}" for problem in invalid.problems)
    return ruleset.load(yamls.read(paths), given)


def _headers(lines: Iterable[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise click.BadParameter(f"{name!r} has no colon", param_hint="--header")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers
