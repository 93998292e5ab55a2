"""Tokens from the identity provider of a laptop that is running, for a person at a terminal.

It asks the provider's `/dev/token`: what comes back is signed, and says whatever it was asked to say.
"""

import time

import httpx

from authz.local.ports import LOOPBACK, Ports

TIMEOUT_S = 5.0  # it answers in milliseconds, or is not there


class Absent(Exception):
    """No laptop is running at that offset."""


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
