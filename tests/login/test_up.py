"""`authz up --idp keycloak` as a person runs it: a real Keycloak, a real oauth2-proxy, and its own words."""

import signal
import subprocess
import sys
from itertools import takewhile

import httpx
import pytest

from authz.local import ports
from authz.local.lines import HEADINGS
from authz.local.ports import LOOPBACK, Ports

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "authz"]
END_S = 60


@pytest.fixture(scope="module")
def up():
    """Where it listens, and what it said before it was ready."""
    offset = ports.free_offset()
    options = ["up", "--idp", "keycloak", "--port-offset", str(offset)]
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        said = "".join(takewhile(lambda line: line.rstrip() != HEADINGS.rstrip(), running.stdout))
        yield Ports().moved(offset), offset, said
        running.send_signal(signal.SIGINT)
        running.stdout.read()
        assert running.wait(END_S) == 0


def ask(where: Ports, host: str, path: str = "/", method: str = "GET", **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent["host"] = f"{host}:{where.gateway}"
    return httpx.request(method, f"http://{LOOPBACK}:{where.gateway}{path}", headers=sent, trust_env=False)


def test_it_says_where_to_sign_in_and_as_whom(up):
    where, _, said = up
    assert f"http://notes.localhost:{where.gateway}/" in said
    assert "alice" in said
    assert "bob" in said


@pytest.mark.parametrize("method", ["GET", "HEAD"])  # of the login's own page
def test_a_browser_is_led_to_keycloaks_own_login(up, method):
    where, _, _ = up
    first = ask(where, "notes.localhost", sec_fetch_mode="navigate", accept="text/html")
    assert (first.status_code, first.headers["location"]) == (302, "/oauth2/start?rd=%2F")
    second = ask(where, "notes.localhost", first.headers["location"], method)
    assert second.status_code == 302
    assert second.headers["location"].startswith(f"http://{LOOPBACK}:{where.keycloak}/realms/")


def test_a_programs_token_passes_and_no_other(up):
    where, offset, _ = up
    command = [*COMMAND, "token", "--idp", "keycloak", "--port-offset", str(offset)]
    token = subprocess.check_output(command, text=True, timeout=END_S).strip()
    assert ask(where, "notes.localhost", authorization=f"Bearer {token}").status_code == 200
    assert ask(where, "notes.localhost", authorization=f"Bearer {token}x").status_code == 401
    assert ask(where, "notes.localhost").status_code == 401
