"""Stands in for Grafana, and holds to what its documentation says of `auth.jwt`.

It is told by the very `grafana.ini` that the chart's notes print, and asks where that says for the keys.
"""

import json
import threading
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jmespath  # type: ignore[import-untyped]
import jwt

from authz.local.ports import LOOPBACK

ROLES = ("Viewer", "Editor", "Admin")
ALGORITHMS = ["ES256", "RS256"]


class Unauthorized(Exception):
    """Nobody is signed in."""


class Grafana:
    """`fetch` gets what is at an URL. The keys are asked for at each sign-in; the real one keeps them."""

    def __init__(self, told: ConfigParser, fetch: Callable[[str], str]) -> None:
        self._told = told["auth.jwt"]
        self._fetch = fetch
        assert self._told.getboolean("enabled")
        assert self._told.getboolean("auto_sign_up")
        assert not told["auth.anonymous"].getboolean("enabled")
        assert self._told["jwk_set_url"].startswith("https://"), "Grafana refuses others in production"

    def user(self, headers: Message) -> dict[str, str]:
        """Who is signed in, as /api/user has it, and in which role. Raises Unauthorized."""
        token = headers.get(self._told["header_name"], "")
        try:
            claims = self._verified(token)
        except jwt.PyJWTError as error:
            raise Unauthorized(str(error)) from error
        for name, expected in json.loads(self._told["expect_claims"]).items():
            found = claims.get(name)
            if expected not in (found if isinstance(found, list) else [found]):
                raise Unauthorized(f"{name} is not {expected}")
        role = jmespath.search(self._told["role_attribute_path"], claims)
        if self._told.getboolean("role_attribute_strict") and role not in ROLES:
            raise Unauthorized("no role")
        login, email = claims[self._told["username_claim"]], claims.get(self._told["email_claim"], "")
        return {"login": login, "email": email, "role": role}

    def _verified(self, token: str) -> dict[str, Any]:
        """Signed by a key of the set, in time, and about somebody."""
        keys = jwt.PyJWKSet.from_json(self._fetch(self._told["jwk_set_url"]))
        by_id = {key.key_id: key for key in keys.keys}
        key = by_id.get(jwt.get_unverified_header(token).get("kid"))
        if key is None:
            raise jwt.InvalidKeyError("no such key")
        options: Any = {"verify_aud": False, "require": ["sub", "exp"]}
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=ALGORITHMS, options=options)
        return claims


@contextmanager
def serving(board: Grafana, port: int) -> Iterator[None]:
    """Who is signed in, at every path, and 401 for nobody."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                status, said = 200, board.user(self.headers)
            except Unauthorized as refused:
                status, said = 401, {"message": str(refused)}
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((LOOPBACK, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
