"""Tokens from the identity provider of a laptop that is running, for a person at a terminal.

`mint` asks the development provider's `/dev/token`: what comes back says whatever it was asked to say.
"""

import time

import httpx

from authz.local import keycloak
from authz.local.ports import LOOPBACK, Ports

TIMEOUT_S = 5.0  # it answers in milliseconds, or is not there


class Absent(Exception):
    """No laptop is running at that offset."""


def of_keycloak(port_offset: int = 0) -> str:
    """The token of a program: Keycloak says what is in it. Raises Absent."""
    url = f"{keycloak.issuer(Ports().moved(port_offset).keycloak)}/protocol/openid-connect/token"
    form = {"grant_type": "client_credentials"}
    try:
        answer = httpx.post(url, data=form, auth=keycloak.ROBOT, timeout=TIMEOUT_S, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise Absent(f"no Keycloak at {url}: start `authz up --idp keycloak` first") from error
    return str(answer.json()["access_token"])


def mint(
    *,
    scope: str = "",
    audience: str = "shop",
    subject: str = "alice",
    expired: bool = False,
    port_offset: int = 0,
) -> str:
    """An access token. Raises Absent."""
    claims: dict[str, object] = {"sub": subject, "aud": audience}
    if scope:
        claims["scope"] = scope
    if expired:
        claims |= {"iat": int(time.time()) - 7200, "exp": int(time.time()) - 3600}
    url = f"http://{LOOPBACK}:{Ports().moved(port_offset).idp}"
    try:
        answer = httpx.post(f"{url}/dev/token", json=claims, timeout=TIMEOUT_S, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise Absent(f"no identity provider at {url}: start `authz up` first") from error
    return str(answer.json()["access_token"])
