"""A kubeconfig whose token a program makes: kubectl and we read the same one, and run the same program."""

import asyncio
import subprocess
from pathlib import Path

import pytest
import yaml

from authz.controller import kubeconfig
from authz.controller.api import Api
from authz.controller.kinds import SERVICES, Document
from authz.local import programs
from tests.kube.server import ApiServer

pytestmark = pytest.mark.slow

CREDENTIAL = """#!/bin/sh
[ "$1" = get-token ] && [ "$PROFILE" = work ] || exit 1
case "$KUBERNETES_EXEC_INFO" in *ExecCredential*) ;; *) exit 1 ;; esac
echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",'
echo ' "status": {"token": "TOKEN"}}'
"""
V1 = "client.authentication.k8s.io/v1"


def test_who_signs_in_for_kubectl_signs_in_for_us(kube, tmp_path):
    file = signing_in(kube, tmp_path)
    command = f"{programs.get('kubectl')} --kubeconfig {file} get services kubernetes --output name".split()
    theirs = subprocess.run(command, capture_output=True, text=True, check=False, env={"HOME": str(tmp_path)})
    assert (theirs.stdout.strip(), theirs.stderr) == ("service/kubernetes", "")
    assert asyncio.run(ours(file))["metadata"]["name"] == "kubernetes"


async def ours(file: Path) -> Document:
    api = Api(kubeconfig.read(file))
    try:
        return await api.get(SERVICES, "default/kubernetes")
    finally:
        await api.close()


def signing_in(kube: ApiServer, folder: Path) -> Path:
    """A kubeconfig with such a program."""
    sign_in = folder / "sign-in"
    sign_in.write_text(CREDENTIAL.replace("TOKEN", kube.token))
    sign_in.chmod(0o700)
    asked = {"apiVersion": V1, "command": "./sign-in", "args": ["get-token"], "interactiveMode": "Never"}
    config = yaml.safe_load(kube.kubeconfig.read_text())
    config["users"][0]["user"] = {"exec": asked | {"env": [{"name": "PROFILE", "value": "work"}]}}
    file = folder / "config"
    file.write_text(yaml.safe_dump(config))
    return file
