"""A whole gateway on this machine: `authz up`, and `authz token` from its identity provider."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

import click

from authz.cli import options

Idp = Literal["development", "keycloak"]
T = TypeVar("T", bound=Callable[..., object])

_OFFSET = click.IntRange(0, 20_000)


def _idp(meaning: str) -> Callable[[T], T]:
    return click.option(
        "--idp",
        type=click.Choice(["development", "keycloak"]),
        default="development",
        show_default=True,
        help=meaning,
    )


@click.command()
@click.argument("files", nargs=-1, type=options.PATH)
@click.option("--port-offset", type=_OFFSET, default=0, show_default=True, help="Added to every port.")
@_idp("keycloak: a real one, and a real oauth2-proxy, to sign in with a browser.")
@click.option("--kubernetes", is_flag=True, help="A real API server and the controller too, for kubectl.")
def up(files: tuple[Path, ...], port_offset: int, idp: Idp, kubernetes: bool) -> None:
    """Run a whole gateway here: two real Envoys, the authorizer, an identity provider, an echo.

    Without FILES the samples are used. Stops on Ctrl-C. Edit the files and see the rules change; with
    --kubernetes, apply, edit and delete them with kubectl.

    \b
    authz up
    authz up --kubernetes         # prints the KUBECONFIG
    authz up --idp keycloak       # config/samples-login, with people who sign in
    """
    from authz.local import up as laptop

    sys.exit(laptop.run(files, port_offset, idp, kubernetes=kubernetes))


@click.command()
@click.option("--scope", default="", help="Scopes, separated by spaces.")
@click.option("--audience", default="shop", show_default=True)
@click.option("--subject", default="alice", show_default=True)
@click.option("--expired", is_flag=True, help="A token whose time has passed.")
@click.option("--port-offset", type=_OFFSET, default=0, help="As given to `authz up`.")
@_idp("keycloak: a program's token, to which the other options mean nothing.")
def token(  # noqa: PLR0913, PLR0917  # one for each option
    scope: str, audience: str, subject: str, expired: bool, port_offset: int, idp: Idp
) -> None:
    """Print an access token from the identity provider of a running `authz up`.

    \b
    curl -H "Authorization: Bearer $(authz token)" http://shop.localhost:8080/orders
    authz token --scope orders:read --subject bob
    """
    from authz.local import token as tokens

    try:
        if idp == "keycloak":
            minted = tokens.of_keycloak(port_offset)
        else:
            minted = tokens.mint(
                scope=scope, audience=audience, subject=subject, expired=expired, port_offset=port_offset
            )
    except tokens.Absent as absent:
        options.fail_on([str(absent)])
    else:
        click.echo(minted)
