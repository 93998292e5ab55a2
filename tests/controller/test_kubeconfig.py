"""By which certificates and tokens the API server is asked, as kubectl's file says it."""

import asyncio
import base64
import json
import os
import ssl
import subprocess
from contextlib import suppress

import pytest
import yaml

from authz.controller import kubeconfig
from authz.controller.kubeconfig import Unusable
from authz.local import certs, programs

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
        (
            {"cluster": {"proxy-url": "http://proxy"}},
            "proxy-url is not supported: the API server is asked directly",
        ),
        ({"user": {"as": "admin"}}, "as is not supported: name a user who has these rights"),
        ({"user": {"client-certificate": "none.pem", "client-key": "none.key"}}, "No such file"),
    ],
    ids=["exec", "insecure", "proxy", "somebody else", "missing"],
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


def test_of_several_files_each_is_read_where_it_stands(folder, tmp_path):
    """Server and authority are the first's, the token of the second, relative to its own folder."""
    (tmp_path / "one").write_text(yaml.safe_dump({"clusters": [cluster("https://api:1", folder / "ca.pem")]}))
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "token").write_text("t")
    file = tmp_path / "there" / "two"
    file.write_text(yaml.safe_dump(REST | {"users": [{"name": "u", "user": {"tokenFile": "token"}}]}))
    access = kubeconfig.read(tmp_path / "one", file)
    assert access.server == "https://api:1"
    assert asyncio.run(access.headers()) == {"authorization": "Bearer t"}


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (": [", "two: can not be used: "),
        ("[]", "two: can not be used: it is not a mapping"),
        ("{}", "one:.*two: can not be used: it lacks 'current-context'"),
        ("current-context: gone", "one:.*two: can not be used: it has no context gone"),
    ],
)
def test_of_several_files_the_one_that_is_wrong_is_named(tmp_path, second, told):
    (tmp_path / "one").write_text("")
    (tmp_path / "two").write_text(second)
    with pytest.raises(Unusable, match=told):
        kubeconfig.read(tmp_path / "one", tmp_path / "two")


def test_if_none_of_them_is_there_the_first_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/one:{tmp_path}/two")
    with pytest.raises(Unusable, match=r"/one: can not be used: .*No such file"):
        kubeconfig.find()


def cluster(server, authority, **more):
    return {"name": "c", "cluster": {"server": server, "certificate-authority": str(authority)} | more}


REST = {"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x"}
FILES = {
    "here/whole": REST
    | {
        "clusters": [cluster("https://here:1", "ca.pem")],
        "users": [{"name": "u", "user": {"token": "here"}}],
    },
    "there/whole": REST
    | {
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "v", "namespace": "team"}}],
        "clusters": [cluster("https://there:1", "ca.pem")],
        "users": [{"name": "u", "user": {"token": "there"}}, {"name": "v", "user": {"token": "v"}}],
    },
    "user": {"users": [{"name": "u", "user": {"token": "alone"}}]},
    "context": {"contexts": [{"name": "x", "context": {"cluster": "c"}}]},
    "current": {
        "contexts": [{"name": "z", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "z",
    },
    "empty": None,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "order",
    [
        "here/whole",
        "here/whole:there/whole",
        "there/whole:here/whole",
        "user:there/whole",
        "context:here/whole:there/whole",
        "current:there/whole",
        "there/whole:current",
        "empty:gone::here/whole",
    ],
)
def test_files_are_merged_as_kubectl_merges_them(tmp_path, monkeypatch, order):
    for where in ("here", "there"):
        certs.issue(tmp_path / where, {"server": CLIENT})
    for name, body in FILES.items():
        (tmp_path / name).write_text(yaml.safe_dump(body) if body else "")
    monkeypatch.setenv(
        "KUBECONFIG", ":".join(str(tmp_path / each) if each else "" for each in order.split(":"))
    )
    command = [str(programs.get("kubectl")), "config", "view", "--minify", "--flatten", "--output=json"]
    view = json.loads(subprocess.run([*command, "--raw"], capture_output=True, check=True).stdout)
    (found,), (context,) = view["clusters"], view["contexts"]
    authority = base64.b64decode(found["cluster"]["certificate-authority-data"]).decode()
    access = kubeconfig.find()
    assert access.server == found["cluster"]["server"]
    assert access.namespace == context["context"].get("namespace", "default")
    assert [access.token] == [one["user"].get("token", "") for one in view["users"] or [{"user": {}}]]
    assert access.tls is not None
    assert access.tls.get_ca_certs(binary_form=True) == [ssl.PEM_cert_to_DER_cert(authority)]
