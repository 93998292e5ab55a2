"""By which certificates and tokens the API server is asked, as kubectl's file says it."""

import asyncio
import base64
import os
import ssl
from contextlib import suppress

import pytest
import yaml

from authz.controller import kubeconfig
from authz.controller.kubeconfig import Unusable
from authz.local import certs

CLIENT = "spiffe://cluster.local/ns/authz-system/sa/controller"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An authority, and a server and a client that it vouches for."""
    folder = tmp_path_factory.mktemp("certs")
    certs.issue(folder, {"server": "spiffe://cluster.local/ns/kube/sa/api", "client": CLIENT})
    return folder


def read(folder, *, server="https://api:6443", cluster=None, user=None):
    found = {"server": server, "certificate-authority": "ca.pem"} | (cluster or {})
    config = {
        "clusters": [{"name": "c", "cluster": found}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return kubeconfig.read(file)


def seen(folder, access):
    """The client's names, as a server sees them that asks for a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.pem")
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    access.tls.check_hostname = False  # the laptop's certificates name no hosts
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, server = access.tls.wrap_bio(back, there), context.wrap_bio(there, back, server_side=True)
    for side in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return (server.getpeercert() or {}).get("subjectAltName")


def files(_):
    return {"client-certificate": "client.pem", "client-key": "client.key"}


def inline(folder):
    pem = {
        name: base64.b64encode((folder / file).read_bytes()).decode() for name, file in files(folder).items()
    }
    return {f"{name}-data": text for name, text in pem.items()}


@pytest.mark.parametrize("certificate", [files, inline])
def test_a_client_certificate_is_shown(folder, certificate):
    access = read(folder, user=certificate(folder))
    assert seen(folder, access) == (("URI", CLIENT),)
    assert asyncio.run(access.headers()) == {}


def test_without_one_a_server_that_asks_turns_it_away(folder):
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        seen(folder, read(folder))


def test_a_token_file_is_read_again_for_each_request(folder):
    (folder / "token").write_text("one\n")
    access = read(folder, user={"tokenFile": "token"})
    (folder / "token").write_text("two\n")
    assert asyncio.run(access.headers()) == {"authorization": "Bearer two"}


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"user": {"exec": {"command": "aws"}}}, "it lacks 'apiVersion'"),
        ({"cluster": {"insecure-skip-tls-verify": True}}, "insecure-skip-tls-verify is not supported"),
        ({"user": {"client-certificate": "none.pem", "client-key": "none.key"}}, "No such file"),
    ],
    ids=["exec", "insecure", "missing"],
)
def test_what_can_not_be_used_is_said_in_one_line(folder, parts, told):
    with pytest.raises(Unusable, match=told):
        read(folder, **parts)


def test_who_has_no_home_is_told_so(monkeypatch):
    for name in ("KUBECONFIG", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)  # nobody has it
    with pytest.raises(Unusable, match="no kubeconfig: Could not determine home"):
        kubeconfig.find()


def test_nothing_of_it_is_shown(folder):
    assert repr(read(folder, user={"token": "secret"})) == "Access(https://api:6443)"
