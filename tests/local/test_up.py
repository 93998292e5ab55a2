"""What `authz up` and `authz render --target envoy` say before anything runs."""

import socket
import subprocess
import sys
from itertools import takewhile

import httpx
import pytest

from authz.local import plan, ports, up
from authz.local.failure import CannotRun
from authz.local.laptop import Laptop
from authz.local.lines import HEADINGS
from authz.local.ports import LOOPBACK, Ports
from tests.servers import PATIENCE_S


def test_the_welcome_tells_where_everything_is():
    text = "\n".join(up.welcome(Laptop([up.SAMPLES], 10), [".venv/bin/authz"], 10))
    for url in ("http://*.localhost:8090", "http://127.0.0.1:9410", "http://127.0.0.1:9202/metrics"):
        assert url in text
    assert "http://127.0.0.1:9202/, the console" in text
    assert "is no APIRule" not in text


def test_whoever_runs_files_without_a_rule_is_told(tmp_path):
    (tmp_path / "values.yaml").write_text("config: {}")
    text = "\n".join(up.welcome(Laptop([tmp_path]), ["authz"], 0))
    assert "There is no APIRule" in text


def test_the_samples_become_two_envoys():
    samples = plan.read([up.SAMPLES])
    gateway, sidecar = up.envoy_configuration(list(samples.resources), samples.loaded)
    assert (gateway["node"]["id"], sidecar["node"]["id"]) == ("gateway", "sidecar")
    assert len(sidecar["static_resources"]["listeners"]) == len(samples.backends)


def test_bad_files_end_it_with_their_problems(tmp_path, capsys):
    (tmp_path / "bad.yaml").write_text("spec: [")
    assert up.run([tmp_path]) == 1
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)
    assert said.err.startswith(f"{tmp_path / 'bad.yaml'}: line 2, column ")


def test_taken_ports_are_told_line_by_line_and_the_advice_once(capsys):
    offset = ports.free_offset()
    wanted = Ports().moved(offset)
    with (
        socket.create_server((LOOPBACK, wanted.gateway)),
        socket.create_server((LOOPBACK, wanted.idp)),
    ):
        assert up.run([], offset) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"port {wanted.gateway} is taken, and the gateway wants it",
        f"port {wanted.idp} is taken, and the identity provider wants it",
        ports.ADVICE,
    ]


def test_an_envoy_that_can_not_be_had_is_a_problem_in_words():
    samples = plan.read([up.SAMPLES])
    foreign = {**samples.resources[0], "spec": {"action": "CUSTOM", "provider": {"name": "foreign"}}}
    with pytest.raises(CannotRun, match="foreign"):
        up.envoy_configuration([foreign], samples.loaded)


@pytest.mark.slow
def test_a_sidecar_that_dies_ends_it_all():
    """And the reason stands where problems stand."""
    offset = ports.free_offset()
    command = [sys.executable, "-m", "authz", "up", "--port-offset", str(offset)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        opening = list(takewhile(lambda line: line.rstrip() != HEADINGS.rstrip(), running.stdout))
        httpx.post(f"http://{LOOPBACK}:{Ports().moved(offset).sidecar_admin}/quitquitquit", trust_env=False)
        _, errors = running.communicate(timeout=PATIENCE_S)
    assert "Ctrl-C stops all of it.\n" in opening
    assert running.returncode == 1
    assert errors == "the sidecar has ended with exit code 0, so everything else has been stopped\n"
    assert not ports.taken(Ports().moved(offset).wanted(4))
