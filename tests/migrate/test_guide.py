"""docs/migration.md from its first line to its last: each command as it stands there, on a real API server.

Nobody runs pods here. So nothing is forwarded or rolled out, what a pod would do is done by our programs, and
the gateway's copies are sent to the shadow by hand.
"""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
import yaml

from authz.local import programs
from authz.local.ports import LOOPBACK
from tests.kube.server import ApiServer
from tests.migrate.old_world import GATEWAY, OldWorld, made

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")
NOT_HERE = ("port-forward", "rollout status")
KYMAS = ("kyma-system", "api-gateway-controller-manager")
OURS = ("authz-system", "authz-controller")
CURL = f"""#!{sys.executable}
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode())
"""


def section(title: str) -> str:
    (found,) = re.findall(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", GUIDE, re.MULTILINE | re.DOTALL)
    return str(found)


def commands(text: str) -> Iterator[str]:
    """Each whole, however many lines it has."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        whole = ""
        for line in block.splitlines():
            whole = f"{whole}\n{line}".strip()
            if not line.endswith(("\\", "|")) and whole.count("'") % 2 == 0:
                if not any(each in whole for each in NOT_HERE):
                    yield whole
                whole = ""


class Person:
    """Who types it, in the folder of the world."""

    def __init__(self, world: OldWorld) -> None:
        self._world = world
        tools = world.folder / "bin"
        tools.mkdir()
        for name in ("kubectl", "helm"):
            (tools / name).symlink_to(programs.get(name))
        (tools / "curl").write_text(CURL)
        (tools / "curl").chmod(0o755)
        paths = [str(tools), str(Path(sys.executable).parent), os.environ["PATH"]]
        self._environment = {**world.environment, "PATH": ":".join(paths), "HOME": str(world.folder)}

    async def follow(self, title: str) -> str:
        """What was said. All that the guide says you see is seen."""
        said = "".join([await self.types(command) for command in commands(section(title))])
        for seen in re.findall(r"You see\s+`([^`]+)`", section(title)):
            assert seen in said
        return said

    async def types(self, command: str, *, fails: bool = False) -> str:
        process = await asyncio.create_subprocess_exec(
            *["bash", "-euo", "pipefail", "-c", self._here(command)],
            cwd=self._world.folder,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
        assert (process.returncode != 0) is fails, f"{command}:\n{said}"
        return said

    def _here(self, command: str) -> str:
        """Addresses, and no patience: there are no Envoys, which would have to hear of anything."""
        text = command.replace("http://127.0.0.1:4456", self._world.oathkeeper.url)
        text = text.replace("127.0.0.1:9194", f"{LOOPBACK}:{self._world.page}")
        text = text.replace("charts/authz", str(ROOT / "charts" / "authz"))
        text = re.sub(r"(authz migrate (?:apply|undo))", r"\1 --settle 0 --drain 0", text)
        return text.replace("migrate verify", "migrate verify --requests 500")


def deployment(namespace: str, name: str) -> dict[str, object]:
    labels = {"matchLabels": {"app": name}}
    pod = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    return made("apps/v1", "Deployment", name, namespace, spec={"selector": labels, "template": pod})


def webhook() -> str:
    """Kyma's conversion, which nobody answers once its controller has stopped."""
    service = {"namespace": KYMAS[0], "name": "webhook"}
    hook = {"clientConfig": {"service": service}, "conversionReviewVersions": ["v1"]}
    return json.dumps({"spec": {"conversion": {"strategy": "Webhook", "webhook": hook}}})


def kept(server: ApiServer) -> list[object]:
    """What serves requests, and what a migration must leave alone."""
    kinds = "virtualservices,rules.oathkeeper.ory.sh,authorizationpolicies,requestauthentications,secrets"
    listed = json.loads(server.kubectl("get", kinds, "-n", "shop", "-o", "json").stdout)["items"]
    return [(one["kind"], one["metadata"]["name"], one.get("spec")) for one in listed]


async def test_the_guide_from_its_first_line_to_its_last(hydra, issuers, tmp_path):
    async with AsyncExitStack() as stack:
        server = await asyncio.to_thread(stack.enter_context, ApiServer(tmp_path / "kube"))
        world = OldWorld(tmp_path, server, hydra, issuers)
        world.install()
        for name in (KYMAS, OURS):
            server.apply(deployment(*name))
        config = {"config.yaml": (tmp_path / "oathkeeper.yaml").read_text()}
        server.apply(made("v1", "ConfigMap", "ory-oathkeeper-config", "kyma-system", data=config))
        for file in ("old.yaml", "oathkeeper.yaml"):
            (tmp_path / file).unlink()
        await asyncio.to_thread(world.oathkeeper.start)
        stack.push_async_callback(asyncio.to_thread, world.oathkeeper.stop)
        await _follow(Person(world), world, stack)


async def _follow(person: Person, world: OldWorld, stack: AsyncExitStack) -> None:
    before = kept(world.server)
    keeping, converting = [], commands(section("0. Before you begin"))
    for command in converting:
        if "scale" in command:
            patch = ("patch", "crd", "apirules.gateway.kyma-project.io", "--type=merge", "-p", webhook())
            assert world.server.kubectl(*patch).returncode == 0
        keeping.append(await person.types(command))
    assert "v1beta1" not in keeping[2]
    _restored(world.folder / "old.yaml")
    (convert,) = commands(section("1. Convert"))
    answer = f"--issuer {world.hydra.introspection}={world.hydra.issuer}"
    await person.types(convert, fails=True)
    assert answer.partition("=")[0] in (world.folder / "new" / "report.md").read_text()
    assert "5 converted without a hand (100.0 %)" in await person.types(f"{convert} {answer}")
    file = world.configure()
    token = _token(world)
    (world.folder / "tokens.yaml").write_text(yaml.safe_dump({"good": token, "other": world.hydra.token()}))
    await person.follow("2. Prove")
    controller = AsyncExitStack()
    await stack.enter_async_context(controller)
    await controller.enter_async_context(
        world.program("controller", "--config", file, ready=world.ports.controller)
    )
    assert "BLOCKED" not in await person.follow("3. Look")
    await person.follow("4. Prepare")
    shown = await person.types("kubectl -n shop get apirule,secret,authorizationpolicy")
    assert "orders-migration" in shown
    assert "orders-in-cluster-" in shown
    await _shadow(person, world, stack, token)
    await person.follow("6. Switch")
    await person.types(_only(section("6. Switch"), "--to switch"))
    await person.follow("7. Finish")
    await _back(person, world, controller)
    assert kept(world.server) == before


def _restored(file: Path) -> None:
    """As Kyma's conversion answers who asks for v1beta1: with the spec that it has kept."""
    listed = yaml.safe_load(file.read_text())
    for one in listed["items"]:
        one["spec"] = json.loads(one["metadata"]["annotations"]["gateway.kyma-project.io/v1beta1-spec"])
    file.write_text(yaml.safe_dump(listed))


def _token(world: OldWorld) -> str:
    now = int(time.time())
    return world.issuer.sign({"iss": world.issuer.url, "sub": "alice", "iat": now, "exp": now + 3600})


def _only(text: str, words: str) -> str:
    return next(command for command in commands(text) if words in command)


async def _shadow(person: Person, world: OldWorld, stack: AsyncExitStack, token: str) -> None:
    text = section("5. Shadow")
    (manifest,) = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (world.folder / "shadow.yaml").write_text(manifest)
    whole, *_ = yaml.safe_load_all(manifest)
    (pod,) = whole["spec"]["template"]["spec"]["containers"]
    arguments = [
        one.replace("/shadow/", f"{world.folder}/").replace(
            "http://ory-oathkeeper-api.kyma-system:4456", world.oathkeeper.url
        )
        for one in pod["args"]
    ]
    here = (f"--listen={LOOPBACK}:{world.shadow}", f"--page={LOOPBACK}:{world.page}")
    await stack.enter_async_context(world.program(*arguments, *here, ready=world.page))
    headers = {
        "host": "orders.example.com-shadow:8080",
        "authorization": f"Bearer {token}",
        "x-forwarded-client-cert": f"By=spiffe://x;URI=spiffe://{GATEWAY}",
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        for path in ("/orders", "/orders/7"):
            await client.get(f"http://{LOOPBACK}:{world.shadow}{path}", headers=headers)
    assert "orders.example.com" in await person.follow("5. Shadow")


async def _back(person: Person, world: OldWorld, controller: AsyncExitStack) -> None:
    for command in commands(section("Back to Kyma")):
        said = await person.types(command)
        if "scale deployment authz-controller" in command:
            await controller.aclose()
        if "migrate plan" in command:
            assert "shop/" not in said
    assert said.count("shop ") == len(world.rules)
    shown = json.loads(world.server.kubectl("get", "apirules", "-n", "shop", "-o", "json").stdout)
    marks = [mark for one in shown["items"] for mark in one["metadata"]["annotations"]]
    assert not any("migration" in mark for mark in marks)
