"""A local issuer: signs the tokens and serves its keys over loopback.

Keys and claims are the tests' own; times are today's, for the servers under test read the real clock.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.process import LOOPBACK
from tests import idp

LIFETIME_S = 7_200.0  # longer than any run


def good(number: int) -> str:
    """A token that all servers accept."""
    return idp.sign(_claims(number))


def forged(number: int) -> str:
    """The same from somebody else's key: it costs a verification each time."""
    return idp.stranger(_claims(number))


@contextmanager
def serving() -> Iterator[str]:
    """The URL of the keys, while the context lasts."""
    with ThreadingHTTPServer((LOOPBACK, 0), _Keys) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}/keys"
        finally:
            server.shutdown()
            thread.join()


def _claims(number: int) -> dict[str, object]:
    now = int(time.time())
    return idp.claims(iat=now - 1, exp=now + LIFETIME_S, jti=f"{number:08}")


class _Keys(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(idp.public_keys()).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
