"""The real programs: made once, whole or not at all, and they run."""

import subprocess
import threading

import pytest

from authz.local import programs
from authz.local.failure import CannotRun
from authz.local.programs import cache


def test_an_entry_is_made_once_however_many_want_it(tmp_path, capfd):
    made = []

    def make(draft):
        made.append(draft)
        (draft / "program").write_text("text")

    wanting = [
        threading.Thread(target=cache.entry, args=("p-1", "building p", make, tmp_path)) for _ in range(5)
    ]
    for each in wanting:
        each.start()
    for each in wanting:
        each.join()
    assert (tmp_path / "p-1" / "program").read_text() == "text"
    assert len(made) == 1
    assert capfd.readouterr().err == "building p\n"


def test_nothing_is_left_of_what_could_not_be_made(tmp_path):
    def make(draft):
        (draft / "half").write_text("")
        cache.run(["sh", "-c", "echo why it failed >&2; exit 3"], draft)

    with pytest.raises(CannotRun, match="why it failed"):
        cache.entry("p-1", "building p", make, tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [".p-1.lock"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "ask", "answer"),
    [
        ("etcd", "--version", "etcd Version: 3.6.5"),
        ("helm", "version", "v4"),
        ("hydra", "version", "Version:"),
        ("kube-apiserver", "--version", "Kubernetes v1.36.1"),
        ("kubectl", "version --client", "Client Version: v1.36.1"),
        ("oathkeeper", "version", "Version:"),
        ("oauth2-proxy", "--version", "oauth2-proxy v7.15.3"),
        ("redis-server", "--version", "Redis server"),
        ("chromedriver", "--version", "ChromeDriver"),
    ],
)
def test_a_real_program_runs(name, ask, answer):
    ran = subprocess.run([programs.get(name), *ask.split()], capture_output=True, text=True, check=True)
    assert answer in ran.stdout + ran.stderr


@pytest.mark.slow
def test_the_real_crds_of_istio_are_there():
    assert "authorizationpolicies.security.istio.io" in programs.istio_crds().read_text()


@pytest.mark.slow
def test_the_real_keycloak_is_there():
    assert (programs.get("keycloak") / "bin" / "kc.sh").exists()
