"""`authz controller` where it can not start: one line says why, and nothing else is printed."""

import json
import socket
import subprocess
import sys

import pytest

KUBECONFIG = """
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: x, context: {cluster: c}}]
current-context: x
"""


@pytest.mark.slow
def test_a_port_that_is_taken_is_told_in_one_line(tmp_path):
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = {"controller": {"admin": address}, "kubernetes": {"kubeconfig": f"{tmp_path}/kubeconfig"}}
        (tmp_path / "authz.yaml").write_text(json.dumps(settings))
        command = [sys.executable, "-m", "authz", "controller", "--config", str(tmp_path / "authz.yaml")]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    (line,) = (ran.stdout + ran.stderr).splitlines()
    assert (ran.returncode, json.loads(line)["event"]) == (1, "can not start")
    assert f"can not listen on {address}" in json.loads(line)["problem"]
