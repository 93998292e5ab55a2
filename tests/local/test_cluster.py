"""`authz up --kubernetes` as a person uses it: with kubectl, and through the gateway."""

import asyncio
import os
import signal
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest
import yaml

from authz.local import ports, programs, raw, token
from authz.local.lines import HEADINGS
from authz.local.ports import Ports
from authz.local.up import SAMPLES
from tests.servers import PATIENCE_S

pytestmark = pytest.mark.slow


class Up:
    """A running one, the lines with which it has welcomed us, and its kubectl."""

    def __init__(self, home):
        self.offset = ports.free_offset()
        self.ports = Ports().moved(self.offset)
        command = [sys.executable, "-m", "authz", "up", "--kubernetes", "--port-offset", str(self.offset)]
        self.running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.running.stdout
        self.welcome = list(takewhile(lambda line: line.rstrip() != HEADINGS.rstrip(), self.running.stdout))
        [self.kubeconfig] = [
            Path(line.partition("=")[2].strip()) for line in self.welcome if line.startswith("export")
        ]
        self._home = home

    def kubectl(self, *arguments, given=""):
        environment = os.environ | {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self._home)}
        command = [programs.get("kubectl"), *arguments]
        return subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, env=environment
        )

    def apply(self, *rules, name="tried", **spec):
        shape = {"hosts": [f"{name}.localhost"], "gateway": "istio-system/gateway"}
        document = {
            "apiVersion": "gateway.kyma-project.io/v2",
            "kind": "APIRule",
            "metadata": {"name": name, "namespace": "default"},
            "spec": shape | {"service": {"name": "shop", "port": 80}, "rules": list(rules)} | spec,
        }
        return self.kubectl("apply", "-f", "-", given=yaml.safe_dump(document))

    def token(self):
        return "authorization", "Bearer " + token.mint(port_offset=self.offset)

    async def becomes(self, status, path, *headers, host="tried.localhost"):
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await raw.ask(self.ports.gateway, "GET", path, [("host", host), *headers])
                if answer.status == status:
                    return
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    up = Up(tmp_path_factory.mktemp("home"))
    yield up
    up.running.send_signal(signal.SIGINT)
    _, errors = up.running.communicate(timeout=30)
    assert (up.running.returncode, errors) == (0, "")
    assert ports.taken(up.ports.wanted(4, kubernetes=True)) == []
    assert not up.kubeconfig.exists()


def rule(path, **access):
    return {"path": path, "methods": ["GET"], **access}


def jwt(up):
    issuer = f"http://127.0.0.1:{up.ports.idp}"
    return {"authentications": [{"issuer": issuer, "jwksUri": f"{issuer}/jwks"}]}


async def test_the_samples_are_there_and_ready(up):
    shown = up.kubectl("get", "apirules", "--all-namespaces").stdout.splitlines()
    assert [line.split()[2] for line in shown] == ["STATUS", *["Ready"] * 4]
    await up.becomes(200, "/products/1", host="shop.localhost")
    minted = token.mint(scope="orders:read", port_offset=up.offset)
    await up.becomes(200, "/orders", ("authorization", f"Bearer {minted}"), host="shop.localhost")
    await up.becomes(401, "/", host="dashboard.localhost")


async def test_the_envoys_follow_what_kubectl_applies_edits_and_deletes(up):
    await up.becomes(404, "/open/1")
    public = rule("/open/{**}", noAuth=True)
    done = up.apply(public, rule("/closed", extAuth={"authorizers": ["dev"]}))
    assert (done.returncode, done.stdout) == (0, "apirule.gateway.kyma-project.io/tried created\n")
    await up.becomes(200, "/open/1")
    await up.becomes(401, "/closed")
    await up.becomes(200, "/closed", up.token())
    await up.becomes(404, "/other")

    assert up.apply(rule("/open/{**}", jwt=jwt(up))).returncode == 0
    await up.becomes(403, "/open/1")
    await up.becomes(200, "/open/1", up.token())
    await up.becomes(404, "/closed", up.token())

    assert up.kubectl("delete", "apirule", "tried").returncode == 0
    await up.becomes(404, "/open/1", up.token())


async def test_a_bad_rule_is_refused_at_once_or_says_why_it_is_not_in_force(up):
    both = rule("/a", noAuth=True, extAuth={"authorizers": ["dev"]})
    assert (
        "One of the following fields must be set: noAuth, jwt, extAuth" in up.apply(both, name="bad").stderr
    )
    assert up.apply(rule("/a", extAuth={"authorizers": ["div"]}), name="bad").returncode == 0
    ready = up.kubectl("wait", "--for=jsonpath={.status.state}=Error", "apirule/bad", "--timeout=20s")
    assert ready.returncode == 0, ready.stderr
    assert up.kubectl("get", "apirule", "bad").stdout.splitlines()[1].split()[1] == "Error"
    described = up.kubectl("describe", "apirule", "bad").stdout
    assert 'Authorizer "div" not found, did you mean "dev"?' in described
    await up.becomes(404, "/a", host="bad.localhost")
    assert up.kubectl("delete", "apirule", "bad").returncode == 0


def test_kubectl_explains_the_rules(up):
    explained = up.kubectl("explain", "apirule.spec.rules").stdout
    assert "The first rule that names a request's" in explained
    assert "noAuth" in explained


@pytest.mark.parametrize(
    ("verb", "resource", "allowed"),
    [("watch", "virtualservices", "yes"), ("update", "virtualservices", "no"), ("list", "secrets", "no")],
)
def test_the_envoys_may_only_look(up, verb, resource, allowed):
    account = "--as=system:serviceaccount:istio-system:istiod"
    assert up.kubectl("auth", "can-i", verb, resource, account, "--all-namespaces").stdout.strip() == allowed


def test_a_sample_may_be_applied_again(up):
    """By whom it was applied at first: nothing is lost, and nothing is warned of."""
    sample = (SAMPLES / "shop.yaml").read_text().replace("9400", str(up.ports.idp))
    done = up.kubectl("apply", "-f", "-", given=sample)
    assert (done.stdout, done.stderr) == ("apirule.gateway.kyma-project.io/shop unchanged\n", "")
