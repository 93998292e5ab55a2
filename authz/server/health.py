"""Asking a running program how it is, at its admin port: what a container's probes call.

Of the standard library only, for it is started every few seconds.
"""

import http.client
import socket

TIMEOUT_S = 3.0  # it answers in milliseconds; a probe is tried again

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}  # noqa: S104  # listened on, and asked on loopback


def problem(address: str, page: str = "/healthz") -> str:
    """What is wrong with the program at HOST:PORT or unix:/path, or "" if nothing is.

    Raises ValueError if that is no address.
    """
    connection = _connection(address)
    try:
        connection.request("GET", page, headers={"host": "localhost"})
        answer = connection.getresponse()
        said = answer.read(256).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"{address} does not answer: {error}"
    finally:
        connection.close()
    return "" if answer.status == 200 else f"{address} says: {answer.status}, {said}"


def _connection(address: str) -> http.client.HTTPConnection:
    if address.startswith("unix:"):
        return _Unix(address.removeprefix("unix:"))
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and int(port) < 1 << 16):
        raise ValueError("an address is HOST:PORT or unix:/path")
    return http.client.HTTPConnection(_ANYWHERE.get(host, host.strip("[]")), int(port), timeout=TIMEOUT_S)


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self._path)
