"""Every verb of the command line, once.

Exit codes: 0 good, 1 the input has problems, 2 wrong usage. Problems go to stderr, all at once.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import urlsplit

import click

from authz import __version__

if TYPE_CHECKING:
    from authz.istio.translate import Resource
    from authz.server.ruleset import Loaded

Idp = Literal["development", "keycloak"]
T = TypeVar("T", bound=Callable[..., object])

_PATH = click.Path(exists=True, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OFFSET = click.IntRange(0, 20_000)
_files = click.argument("files", nargs=-1, required=True, type=_PATH)
_config = click.option(
    "--config", "config_file", type=_FILE, help="Configuration file; else the ConfigMap among FILES."
)


def _idp(meaning: str) -> Callable[[T], T]:
    return click.option(
        "--idp",
        type=click.Choice(["development", "keycloak"]),
        default="development",
        show_default=True,
        help=meaning,
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="authz")
def main() -> None:
    """The access layer of an Istio gateway.

    Write APIRules; `render` shows what they become, `explain` why a request passes or not, `controller`
    keeps a cluster so, `serve` is the authorizer that Envoy asks, and `up` runs all of it here.
    """


@main.command()
@click.option("--config", "config_file", type=_FILE, required=True, help="Configuration file.")
@click.option("--worker", type=click.Path(path_type=Path), hidden=True)
def serve(config_file: Path, worker: Path | None) -> None:
    """Run the authorizer until SIGTERM; rules and settings are reloaded when their files change."""
    from authz.server.run import serve as run

    sys.exit(run(config_file, worker))


@main.command()
@click.option("--config", "config_file", type=_FILE, required=True, help="Configuration file.")
def controller(config_file: Path) -> None:
    """Write Istio's objects for the APIRules of a cluster until SIGTERM; of several replicas one leads."""
    from authz.controller import run

    sys.exit(run.control(config_file))


@main.command()
@_files
@click.option("--cluster", multiple=True, type=_PATH, help="More objects: Services, Gateways, ConfigMaps.")
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
    _fail_on((*loaded.problems, *problems))
    made = _for_envoy(resources, loaded) if target == "envoy" else resources
    sys.stdout.write(writing.write(made))  # `echo` would search 80 MB for colours


@main.command()
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
    _fail_on(loaded.problems)


@main.command()
@click.argument("files", nargs=-1, type=_PATH)
@click.option("--port-offset", type=_OFFSET, default=0, show_default=True, help="Added to every port.")
@_idp("keycloak: a real one, and a real oauth2-proxy, to sign in with a browser.")
def up(files: tuple[Path, ...], port_offset: int, idp: Idp) -> None:
    """Run a whole gateway here: two real Envoys, the authorizer, an identity provider, an echo.

    Without FILES the samples are used. Stops on Ctrl-C. Edit the files and see the rules change.

    \b
    authz up
    authz up --idp keycloak       # config/samples-login, with people who sign in
    """
    from authz.local import up as laptop

    sys.exit(laptop.run(files, port_offset, idp))


@main.command()
@click.option("--scope", default="", help="Scopes, separated by spaces.")
@click.option("--audience", default="shop", show_default=True)
@click.option("--subject", default="alice", show_default=True)
@click.option("--expired", is_flag=True, help="A token whose time has passed.")
@click.option("--port-offset", type=_OFFSET, default=0, help="As given to `authz up`.")
@_idp("keycloak: a program's token, to which the other options mean nothing.")
def token(  # noqa: PLR0913, PLR0917  # one for each option
    scope: str, audience: str, subject: str, expired: bool, port_offset: int, idp: Idp
) -> None:
    """Print an access token from the identity provider of a running `authz up`."""
    from authz.local import token as tokens

    try:
        if idp == "keycloak":
            minted = tokens.of_keycloak(port_offset)
        else:
            minted = tokens.mint(
                scope=scope, audience=audience, subject=subject, expired=expired, port_offset=port_offset
            )
    except tokens.Absent as absent:
        _fail_on([str(absent)])
    else:
        click.echo(minted)


@main.group()
def config() -> None:
    """Look at configuration files."""


@config.command()
@click.argument("file", type=_FILE)
def check(file: Path) -> None:
    """Report every mistake in FILE and in the rules it names."""
    from authz import config as settings
    from authz.server import files as yamls
    from authz.server import ruleset, signing, tls

    parsed, problems = settings.Config(), []
    try:
        parsed = settings.read(file)
    except settings.Invalid as invalid:
        problems += [f"{file}: {problem}" for problem in invalid.problems]
    problems += [f"{file}: {problem}" for problem in tls.problems(parsed.listen.tls)]
    problems += [f"{file}: {problem}" for problem in signing.problems(parsed.identity_tokens)]
    paths = [file.parent / name for name in parsed.policy.files]
    problems += [f"{file}: policy.files: {path} does not exist" for path in paths if not path.exists()]
    loaded = ruleset.load(yamls.read(path for path in paths if path.exists()), parsed)
    _fail_on((*problems, *loaded.problems))
    click.echo(f"{file}: APIRules: {len(loaded.rules)}, authorizers: {len(parsed.authorizers)}, no mistakes")


@config.command()
def example() -> None:
    """Print a configuration with every setting, its default and its meaning."""
    from authz import example as examples

    click.echo(examples.render(), nl=False)


def _for_envoy(resources: list[Resource], loaded: Loaded) -> list[Resource]:
    from authz.local import up
    from authz.local.failure import CannotRun

    try:
        return up.envoy_configuration(resources, loaded)
    except CannotRun as failure:
        _fail_on(failure.messages)
        raise


def _load(paths: Iterable[Path], config_file: Path | None) -> Loaded:
    from authz import config as settings
    from authz.server import files as yamls
    from authz.server import ruleset

    try:
        given = settings.read(config_file) if config_file else None
    except settings.Invalid as invalid:
        _fail_on(f"{config_file}: {problem}" for problem in invalid.problems)
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


def _fail_on(problems: Iterable[str]) -> None:
    found = list(problems)
    for problem in found:
        click.echo(problem, err=True)
    if found:
        sys.exit(1)
