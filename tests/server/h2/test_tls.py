"""TLS: who is let in, and certificates that change while connections come and go."""

import asyncio
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from authz.config import Tls
from authz.local import certs
from authz.server import tls
from authz.server.h2.limits import LIMITS, Limits
from authz.server.h2.server import Server
from authz.server.tls import Certificates
from tests.server.test_service import service as ready_service
from tests.servers import PATIENCE_S

ENVOY = "spiffe://cluster.local/ns/istio-system/sa/gateway"
STRANGER = "spiffe://cluster.local/ns/apps/sa/stranger"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    certs.issue(
        tmp_path, {"server": "spiffe://cluster.local/ns/authz/sa/authz", "envoy": ENVOY, "stranger": STRANGER}
    )
    return tmp_path


def settings(folder: Path, **clients: object) -> Tls:
    return Tls.model_validate({"certFile": folder / "server.pem", "keyFile": folder / "server.key"} | clients)


@asynccontextmanager
async def serving(certificates: Certificates, limits: Limits = LIMITS) -> AsyncIterator[tuple[Server, str]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    server = Server(ready_service(), address, certificates, limits)
    await server.start()
    yield server, address
    await server.stop()


async def greeting(address: str, folder: Path, name: str | None = None, protocol: str = "h2") -> bytes:
    """What the server says first, by a client that trusts its authority; nothing if it hangs up."""
    context = trusting(folder, name, protocol)
    host, _, port = address.partition(":")
    try:
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
        said = await asyncio.wait_for(reader.read(9), PATIENCE_S)
    except (ssl.SSLError, ConnectionError):
        return b""
    writer.close()
    return said


def trusting(folder: Path, name: str | None, protocol: str = "h2") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.check_hostname = False  # a SPIFFE certificate names no host
    context.set_alpn_protocols([protocol])
    if name:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


@pytest.mark.parametrize(
    ("clients", "name", "admitted"),
    [
        ({"clientNames": [ENVOY]}, "envoy", True),
        ({}, "stranger", True),
        ({"clientNames": [ENVOY]}, "stranger", False),
        ({"clientNames": [ENVOY]}, None, False),
        ({}, None, False),
    ],
)
async def test_a_client_is_known_by_its_certificate(folder, clients, name, admitted):
    asked = settings(folder, clientCaFile=folder / "ca.pem", **clients)
    async with serving(Certificates(asked)) as (_, address):
        assert bool(await greeting(address, folder, name)) is admitted


async def test_without_an_authority_for_clients_none_is_asked_for_a_certificate(folder):
    async with serving(Certificates(settings(folder))) as (_, address):
        assert await greeting(address, folder)


async def test_a_client_that_does_not_speak_h2_is_turned_away(folder):
    async with serving(Certificates(settings(folder))) as (server, address):
        assert await greeting(address, folder, protocol="http/1.1") == b""
        assert server.refused["alpn"] == 1


async def test_a_client_that_does_not_begin_its_handshake_is_not_waited_for(folder):
    limits = replace(LIMITS, preface_s=0.2)
    async with serving(Certificates(settings(folder)), limits) as (_, address):
        host, _, port = address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()


async def test_a_client_of_another_name_is_counted(folder):
    asked = settings(folder, clientCaFile=folder / "ca.pem", clientNames=[ENVOY])
    async with serving(Certificates(asked)) as (server, address):
        assert await greeting(address, folder, "stranger") == b""
        assert server.refused["client"] == 1


async def test_new_certificates_are_shown_to_new_connections(folder):
    certificates = Certificates(settings(folder, clientCaFile=folder / "ca.pem"))
    async with serving(certificates) as (_, address):
        assert await greeting(address, folder, "envoy")
        certs.issue(folder, {"server": "spiffe://cluster.local/ns/authz/sa/authz", "envoy": ENVOY})
        assert not await greeting(address, folder, "envoy"), "another authority, and not read yet"
        certificates.reload()
        assert await greeting(address, folder, "envoy")


def test_it_is_known_when_the_certificate_ends(folder):
    left_s = Certificates(settings(folder)).ends_at - time.time()
    shown = subprocess.check_output(["openssl", "x509", "-enddate", "-noout", "-in", folder / "server.pem"])
    ends_at = ssl.cert_time_to_seconds(shown.decode().strip().removeprefix("notAfter="))
    assert left_s == pytest.approx(ends_at - time.time(), abs=2)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_who_was_trusted_does_not_come_back_by_a_session(folder, version):
    certificates = Certificates(settings(folder, clientCaFile=folder / "ca.pem", clientNames=[ENVOY]))
    context = trusting(folder, "envoy")
    context.maximum_version = version
    async with serving(certificates) as (_, address):
        with await asyncio.to_thread(connected, context, address, None) as first:
            assert await asyncio.to_thread(first.recv, 9), "trusted for now"
            certs.issue(folder, {"server": "spiffe://cluster.local/ns/authz/sa/authz", "envoy": ENVOY})
            certificates.reload()
            for _ in range(2):
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await asyncio.to_thread(resume, context, address, first.session)


def connected(context: ssl.SSLContext, address: str, session: ssl.SSLSession | None) -> ssl.SSLSocket:
    """It stays open: OpenSSL forgets the session of one that ends without a word."""
    host, _, port = address.partition(":")
    return context.wrap_socket(socket.create_connection((host, int(port)), 5), session=session)


def resume(context: ssl.SSLContext, address: str, session: ssl.SSLSession | None) -> None:
    with connected(context, address, session) as client:
        if not client.recv(9):
            raise ConnectionError


async def test_certificates_that_can_not_be_read_leave_the_last_ones(folder):
    certificates = Certificates(settings(folder))
    (folder / "server.pem").write_text("nonsense")
    async with serving(certificates) as (_, address):
        with pytest.raises(OSError, match=r"listen\.tls"):
            certificates.reload()
        assert await greeting(address, folder)


def test_the_file_at_fault_is_named(folder):
    (folder / "ca.pem").write_text("nonsense")
    (problem,) = tls.problems(settings(folder, clientCaFile=folder / "ca.pem"))
    assert problem.startswith(f"listen.tls.clientCaFile: {folder}/ca.pem: ")
    assert tls.problems(settings(folder)) == []
    assert tls.problems(None) == []


def test_all_files_are_watched(folder):
    asked = settings(folder, clientCaFile=folder / "ca.pem")
    assert [file.name for file in Certificates(asked).files] == ["server.pem", "server.key", "ca.pem"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_no_session_is_resumed(folder, version):
    """It would admit a client by an authority that is trusted no longer."""
    asked = settings(folder, clientCaFile=folder / "ca.pem")
    async with serving(Certificates(asked)) as (_, address):
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.check_hostname = False
        context.maximum_version = version
        context.set_alpn_protocols(["h2"])
        context.load_cert_chain(folder / "envoy.pem", folder / "envoy.key")
        session, reused = await asyncio.to_thread(handshake, context, address, None)
        assert not reused
        assert await asyncio.to_thread(handshake, context, address, session) == (ANY, False)


def handshake(context: ssl.SSLContext, address: str, session: ssl.SSLSession | None) -> tuple[Any, bool]:
    """The session that a client is given, and whether the one it offers is resumed."""
    host, _, port = address.partition(":")
    plain = socket.create_connection((host, int(port)))
    with context.wrap_socket(plain, server_hostname="authz", session=session) as secured:
        assert secured.recv(9)
        return secured.session, bool(secured.session_reused)
