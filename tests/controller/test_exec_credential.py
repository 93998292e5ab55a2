"""Tokens made by a program, as a kubeconfig says; held against kubectl in tests/kube."""

import asyncio
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from authz.controller import kubeconfig
from authz.controller.exec_credential import Program, parse
from authz.controller.kubeconfig import Unusable

V1 = "client.authentication.k8s.io/v1"
EXPIRES = 1_900_000_000.0  # 2030-03-17T17:46:40Z


def program(tmp_path: Path, printed: str, **settings: Any) -> Program:
    """Prints that, and counts how often it ran."""
    file = tmp_path / "sign-in"
    (tmp_path / "printed").write_text(printed)
    file.write_text(f"#!/bin/sh\necho x >> {tmp_path}/ran\ncat {tmp_path}/printed\n")
    file.chmod(0o700)
    return parse(tmp_path, {"apiVersion": V1, "command": "./sign-in"} | settings)


def credential(**status: str) -> str:
    return json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": status})


def runs(tmp_path: Path) -> int:
    return len((tmp_path / "ran").read_text().splitlines())


async def test_a_token_is_kept_until_shortly_before_it_expires(tmp_path):
    made = program(tmp_path, credential(token="t", expirationTimestamp="2030-03-17T17:46:40Z"))
    for now, times in ((EXPIRES - 3600, 1), (EXPIRES - 31, 1), (EXPIRES - 30, 2)):
        made.clock = partial(float, now)
        assert (await made.token(), runs(tmp_path)) == ("t", times)


async def test_a_token_without_an_end_is_asked_for_once(tmp_path):
    made = program(tmp_path, credential(token="t"))
    assert (await made.token(), await made.token(), runs(tmp_path)) == ("t", "t", 1)


async def test_a_token_that_is_refused_is_asked_for_anew_but_not_each_time(tmp_path):
    made = program(tmp_path, credential(token="t"))
    for now, times in ((0.0, 1), (4.9, 1), (5.0, 2), (5.1, 2)):
        made.clock = partial(float, now)
        made.refused()
        assert (await made.token(), runs(tmp_path)) == ("t", times)


async def test_who_fails_is_not_asked_again_at_once(tmp_path):
    made = program(tmp_path, "")
    for now, times in ((0.0, 1), (4.9, 1), (5.0, 2)):
        made.clock = partial(float, now)
        with pytest.raises(OSError, match="printed no token"):
            await made.token()
        assert runs(tmp_path) == times


async def test_many_who_ask_wait_for_one_and_hold_nobody_up(tmp_path):
    made = program(tmp_path, credential(token="t"))
    asked = [asyncio.create_task(made.token()) for _ in range(10)]
    await asyncio.sleep(0)
    assert not any(one.done() for one in asked)  # the loop goes on meanwhile
    assert (set(await asyncio.gather(*asked)), runs(tmp_path)) == ({"t"}, 1)


async def test_the_program_is_told_what_is_asked_of_it(tmp_path):
    token = "os.environ['A'] + os.environ['KUBERNETES_EXEC_INFO']"
    told = f"import json, os; print(json.dumps({{'status': {{'token': {token}}}}}))"
    settings = {"command": sys.executable, "args": ["-c", told], "env": [{"name": "A", "value": "a"}]}
    made = parse(tmp_path, {"apiVersion": V1, "interactiveMode": "Never"} | settings)
    info = (await made.token()).removeprefix("a")
    assert json.loads(info) == {"apiVersion": V1, "kind": "ExecCredential", "spec": {"interactive": False}}


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "s3cret",
        "[]",
        "{}",
        '{"status": {}}',
        '{"status": null}',
        '{"status": "s3cret"}',
        '{"status": {"token": ""}}',
        '{"status": {"token": 1}}',
        '{"status": {"token": "s3cret", "expirationTimestamp": "soon"}}',
        '{"status": {"clientCertificateData": "s3cret"}}',
    ],
)
async def test_what_is_no_token_is_an_error_that_does_not_repeat_it(tmp_path, printed):
    with pytest.raises(OSError, match="sign-in printed no token") as raised:
        await program(tmp_path, printed).token()
    assert "s3cret" not in str(raised.value)


async def test_a_program_that_fails_is_named_without_its_arguments(tmp_path):
    settings = {"apiVersion": V1, "command": "false", "args": ["--password=s3cret"]}
    with pytest.raises(OSError, match=r"^false, which makes .*: it ended with 1$"):
        await parse(tmp_path, settings).token()


async def test_a_program_that_is_not_there_is_named_with_where_to_get_it(tmp_path):
    settings = {"apiVersion": V1, "command": "not-there", "installHint": "See https://example.com."}
    with pytest.raises(OSError, match=r"^not-there is not there.* See https://example\.com\.$"):
        await parse(tmp_path, settings).token()


@pytest.mark.parametrize(
    ("user", "said"),
    [
        (
            {"exec": {"apiVersion": "client.authentication.k8s.io/v1alpha1", "command": "x"}},
            "is not supported",
        ),
        ({"exec": {"command": "x"}}, "it lacks 'apiVersion'"),
        ({"exec": {"apiVersion": V1}}, "it lacks 'command'"),
        ({"exec": None}, "can not be used"),
        ({"auth-provider": {"name": "gcp"}}, "use exec"),
    ],
)
def test_a_kubeconfig_that_asks_for_something_else_is_unusable(tmp_path, user, said):
    file = tmp_path / "config"
    file.write_text(json.dumps(config("http://localhost", user)))
    with pytest.raises(Unusable, match=said):
        kubeconfig.read(file)


async def test_without_any_other_the_users_own_kubeconfig_is_read(tmp_path, monkeypatch):
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(Unusable, match=r"neither KUBECONFIG nor .*/\.kube/config"):
        kubeconfig.find()
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(json.dumps(config("http://localhost:1", {"token": "t"})))
    assert await kubeconfig.find().headers() == {"authorization": "Bearer t"}


def config(server: str, user: dict[str, Any]) -> dict[str, Any]:
    return {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }
