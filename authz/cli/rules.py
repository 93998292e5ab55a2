"""What APIRules become, and what they decide: `authz render` and `authz explain`."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO
from urllib.parse import urlsplit

import click

from authz.cli import options

if TYPE_CHECKING:
    from authz.istio.translate import Resource
    from authz.server.ruleset import Loaded

_NO_RULE = "FILES hold no APIRule that can be read"
_NOBODY_KNOWN = (
    "No authorizer is known: give the configuration too, by --config or as the ConfigMap among FILES "
    "(kubectl -n authz-system get configmap authz -o yaml > config.yaml)"
)

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
    options.fail_on((*loaded.problems, *problems) or ([] if loaded.rules else [_NO_RULE]))
    made = _for_envoy(resources, loaded) if target == "envoy" else resources
    sys.stdout.write(writing.write(made))  # `echo` would search 80 MB for colours


@click.command()
@click.argument("files", nargs=-1, type=options.PATH)
@click.option("--method", "-X", default="GET", show_default=True, help="Request method.")
@click.option("--url", help="As the client sends it, for example https://shop.localhost/orders.")
@click.option("--header", "-H", "headers", multiple=True, help="A request header, 'Name: value'.")
@_config
@click.option("--request", "request_id", help="The x-request-id of a request that was decided.")
@click.option(
    "--answer",
    type=click.File(errors="replace"),
    help="The body that the client got, or - for standard input.",
)
@click.option(
    "--admin", default="http://127.0.0.1:9192", show_default=True, help="Of the authorizer that runs."
)
def explain(  # noqa: PLR0913, PLR0917  # one for each option
    files: tuple[Path, ...],
    method: str,
    url: str | None,
    headers: tuple[str, ...],
    config_file: Path | None,
    request_id: str | None,
    answer: TextIO | None,
    admin: str,
) -> None:
    """Say which rule decides a request, and for which reason.

    By the APIRules in FILES, or by what a running authorizer has decided.

    \b
    authz explain config/samples --url http://shop.localhost/orders
    authz explain rules/ -X POST --url https://shop.example.com/orders -H "Authorization: Bearer $TOKEN"
    authz explain --request 0b8e5c4e-6f0e-4c39-a7f0-6f3d5f2a9d11
    curl -s https://shop.example.com/orders | authz explain --answer -
    """
    if bool(request_id) + bool(answer) + bool(files or url) > 1:
        raise click.UsageError("choose one of FILES and --url, --request, --answer")
    if request_id or answer:
        _explain_decided(admin, request_id, answer)
    elif files and url:
        _explain_by(_load(files, config_file), method, url, headers)
    else:
        raise click.UsageError("give FILES and --url, or --request, or --answer")


def _explain_by(loaded: Loaded, method: str, url: str, headers: tuple[str, ...]) -> None:
    from authz.core.reason import Reason
    from authz.core.request import Request
    from authz.server import explain as why

    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--url") from error
    if not parts.netloc:
        raise click.BadParameter("a URL with scheme and host is expected", param_hint="--url")
    request = Request(method.upper(), parts.netloc, parts.path or "/", parts.query, _headers(headers))
    found = asyncio.run(why.explain(loaded, request))
    click.echo(why.render(found))
    if found.decision.reason is Reason.AUTHORIZER_ELSEWHERE and not loaded.config.authorizers:
        click.echo(_NOBODY_KNOWN, err=True)
    options.fail_on([*loaded.problems, *(() if loaded.rules else [_NO_RULE])])


def _explain_decided(admin: str, request_id: str | None, answer: TextIO | None) -> None:
    from authz.server.console import lookup

    try:
        wanted = request_id or lookup.request_id(answer.read() if answer else "")
        for row in lookup.find(admin, wanted):
            click.echo(lookup.render(row))
    except lookup.NotFound as error:
        options.fail_on([str(error)])


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
    return ruleset.load(yamls.read(paths, pipes=True), given)


def _headers(lines: Iterable[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise click.BadParameter(f"{name!r} has no colon", param_hint="--header")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers
