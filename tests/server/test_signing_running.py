"""`authz serve` with identity tokens: workers that share the keys, one key set, and keys that change."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.server.test_run import Running, free_port, ready

pytestmark = pytest.mark.slow

AUTHORIZER = {
    "name": "a",
    "accept": [{"jwt": {"issuer": "https://idp.example.com", "audiences": ["a"]}}],
    "identityToken": {},
}


def write(file: Path, *kind: str) -> None:
    """As the documentation says."""
    command = ["openssl", "genpkey", "-algorithm", *kind, "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)


def eventually(holds: Callable[[], bool], patience_s: float = 60.0) -> None:
    """Three processes start here, on machines that have better to do."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.1)


EC = ("EC", "-pkeyopt", "ec_paramgen_curve:P-256")


@pytest.mark.parametrize("workers", [1, 2])
def test_the_key_set_is_published_by_one_process_for_all(tmp_path, workers):
    keys = tmp_path / "keys"
    keys.mkdir()
    write(keys / "1.pem", *EC)
    one, public = Running(tmp_path), f"127.0.0.1:{free_port()}"
    tokens = {"keys": [str(keys)], "issuer": "https://authz.example.com", "listen": public}
    one.configure(workers=workers, identityTokens=tokens, authorizers=[AUTHORIZER])

    def published(address: str) -> list[str]:
        answer = httpx.get(f"http://{address}/.well-known/jwks.json").raise_for_status()
        assert answer.headers["content-type"] == "application/jwk-set+json"
        return [key["kid"] for key in answer.json()["keys"]]

    one.start()
    try:
        eventually(lambda: ready(one))
        assert published(public) == published(one.admin)
        assert len(published(public)) == 1
        assert httpx.get(f"http://{public}/metrics").status_code == 404
        write(keys / "2.pem", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
        eventually(lambda: len(published(public)) == 2 and published(public) == published(one.admin))
    finally:
        one.process.terminate()
        assert one.process.wait(60) == 0


def test_keys_that_can_not_be_used_are_named_before_anything_starts(tmp_path):
    one = Running(tmp_path)
    one.configure(identityTokens={"keys": [str(tmp_path)], "issuer": "https://authz.example.com"})
    one.start()
    assert one.process.wait(60) == 1
    (line,) = one.lines()
    assert line["problem"] == f"identityTokens.keys: there is no key in {tmp_path}"
    command = [sys.executable, "-m", "authz", "config", "check", str(one.config)]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert checked.returncode == 1
    assert f"{one.config}: identityTokens.keys: there is no key in {tmp_path}" in checked.stderr
