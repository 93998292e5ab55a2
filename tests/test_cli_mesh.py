"""`authz config mesh` and `authz health`: what they print, and their exit codes."""

import asyncio
import threading

import pytest
import yaml
from click.testing import CliRunner

from authz.cli import main
from authz.server import admin
from tests.server.transports import free_address
from tests.servers import PATIENCE_S

UNSAFE = """
extensionProviders:
- name: authz
  envoyExtAuthzGrpc:
    {service: a.b.svc.cluster.local, port: 9191, timeout: 2s, failOpen: true, statusOnError: "503"}
"""


def run(*arguments, given=None):
    runner = CliRunner(env={"KUBECONFIG": ""})
    return runner.invoke(main, list(map(str, arguments)), input=given, prog_name="authz")


@pytest.mark.parametrize("form", ["meshconfig", "helm", "istiooperator"])
def test_what_is_printed_passes_the_check(form):
    printed = run("config", "mesh", "--format", form)
    assert (printed.exit_code, printed.stderr) == (0, "")
    checked = run("config", "mesh", "--check", "-", given=printed.stdout)
    assert checked.exit_code == 0, checked.stderr
    assert checked.stdout.startswith("-: extension provider authz: no mistakes; not looked at")


def test_name_port_and_service_are_those_of_the_configuration(tmp_path):
    file = tmp_path / "authz.yaml"
    file.write_text("{istio: {provider: guard}, listen: {grpc: '0.0.0.0:7000'}}")
    printed = run("config", "mesh", "--config", file, "--service", "a.b.svc.cluster.local")
    [entry] = yaml.safe_load(printed.stdout)["extensionProviders"]
    assert entry["name"] == "guard"
    assert entry["envoyExtAuthzGrpc"]["port"] == 7000
    assert entry["envoyExtAuthzGrpc"]["service"] == "a.b.svc.cluster.local"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{listen: {grpc: 'unix:/run/authz'}}", "listen.grpc: Istio can not lead to a unix socket"),
        ("{lisen: {}}", "lisen: unknown setting"),
    ],
)
def test_a_configuration_that_no_entry_can_be_made_of_is_a_problem(tmp_path, text, said):
    file = tmp_path / "authz.yaml"
    file.write_text(text)
    result = run("config", "mesh", "--config", file)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"{file}: {said}")


def test_a_problem_is_told_with_its_file_and_path(tmp_path):
    file = tmp_path / "mesh.yaml"
    file.write_text(UNSAFE)
    result = run("config", "mesh", "--check", file)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"{file}: extensionProviders[0].envoyExtAuthzGrpc.failOpen: ")


def test_a_list_as_kubectl_prints_it_is_looked_into():
    mesh = {"kind": "ConfigMap", "apiVersion": "v1", "data": {"mesh": UNSAFE}}
    result = run("config", "mesh", "--check", "-", given=yaml.safe_dump({"kind": "List", "items": [mesh]}))
    assert "data.mesh.extensionProviders[0].envoyExtAuthzGrpc.failOpen" in result.stderr


@pytest.mark.parametrize("given", ["{", "a: &a [*a]"])
def test_what_is_not_yaml_is_a_problem(given):
    result = run("config", "mesh", "--check", "-", given=given)
    assert result.exit_code == 1
    assert result.stderr.startswith("-: can not be read")
    assert "there is no MeshConfig" not in result.stderr, "for nobody knows"


def test_without_a_cluster_there_is_nothing_to_check():
    result = run("config", "mesh", "--check")
    assert result.exit_code == 1
    assert result.stderr.startswith("the cluster: ")


@pytest.fixture
def program():
    """An admin port, and whether its program is ready."""
    address, ready, stopping = free_address(), [False], threading.Event()

    async def is_ready():
        return ready[0]

    async def metrics():
        return b""

    async def serve():
        server = admin.Server(admin.app(is_ready, metrics), address)
        await server.start()
        begun.set()
        await asyncio.to_thread(stopping.wait)
        await server.stop()

    begun = threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert begun.wait(PATIENCE_S)
    yield address, ready
    stopping.set()
    thread.join()


def test_a_program_is_alive_before_it_is_ready(program):
    address, ready = program
    assert run("health", address).stdout == "alive\n"
    waiting = run("health", address, "--ready")
    assert (waiting.exit_code, waiting.stderr) == (1, f"{address} says: 503, not ready\n")
    ready[0] = True
    assert run("health", address, "--ready").stdout == "ready\n"


def test_a_program_that_listens_anywhere_is_asked_on_loopback(program):
    address, _ = program
    assert run("health", address.replace("127.0.0.1", "0.0.0.0")).exit_code == 0


@pytest.mark.parametrize(
    ("address", "code"), [("127.0.0.1:1", 1), ("unix:/nobody/there", 1), ("here", 2), ("a:99999", 2)]
)
def test_nobody_there_is_1_and_no_address_is_2(address, code):
    assert run("health", address).exit_code == code
