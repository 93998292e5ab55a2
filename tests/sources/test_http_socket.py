"""The client on a real socket: drips, floods, nonsense and certificates."""

import asyncio
import os
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from authz.core import policy
from authz.core.reason import Unavailable
from authz.core.token import Token
from authz.sources.http import Client
from authz.sources.introspection import Introspector


@asynccontextmanager
async def server(*chunks, pause_s=0.0, tls=None):
    """A server on loopback that answers each connection with these bytes, pausing before each part."""

    async def answer(reader, writer):
        try:
            await reader.readuntil(b"\r\n\r\n")
            for chunk in chunks:
                await asyncio.sleep(pause_s)
                writer.write(chunk)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has seen enough
        finally:
            writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


@asynccontextmanager
async def real(**settings):
    made = Client(**settings)
    try:
        yield made
    finally:
        await made.close()


async def failure(asking, url):
    """What the one error says."""
    with pytest.raises(Unavailable) as caught:
        await asking.get(url)
    return str(caught.value)


HEAD = b"HTTP/1.1 200 OK\r\nconnection: close\r\n"


async def test_over_a_real_socket_the_body_arrives():
    async with server(HEAD, b"content-length: 2\r\n\r\n{}") as port, real() as asking:
        assert await asking.get(f"http://127.0.0.1:{port}/") == b"{}"


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", *[b"x"] * 9], "TimeoutError"),
        ([*[b"HTTP/1.1 200 OK\r\n"], *[b"a: b\r\n"] * 9], "TimeoutError"),
    ],
    ids=["body", "head"],
)
async def test_an_answer_that_drips_is_not_waited_for(chunks, text):
    async with server(*chunks, pause_s=0.03) as port, real(timeout_s=0.15) as asking:
        assert (await failure(asking, f"http://127.0.0.1:{port}/")).endswith(text)


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        ([HEAD, b"\r\n", *[b"x" * 100_000] * 100], "longer than 1048576 bytes"),
        ([HEAD, *[b"a: " + b"x" * 10_000 + b"\r\n"] * 100], ""),
        ([b"SSH-2.0-OpenSSH_9.6\r\n\r\n"], "Bad status line"),
        ([HEAD, b"content-length: 9\r\n\r\n{}"], "not completed"),
        ([HEAD, b"content-encoding: gzip\r\n\r\n\x1f\x8b"], "the body is encoded"),
        ([], "Server disconnected"),
    ],
    ids=["10 MB", "1 MB of headers", "SSH", "cut short", "gzip", "nothing"],
)
async def test_over_a_real_socket_nonsense_is_one_error(chunks, text):
    async with server(*chunks) as port, real() as asking:
        message = await failure(asking, f"http://127.0.0.1:{port}/")
    assert text in message
    assert message.startswith(f"GET http://127.0.0.1:{port}/: ")


async def test_a_query_is_sent_to_the_letter_and_told_to_nobody():
    """`%2C` is a comma within a group, and a comma stands between two."""
    seen = []

    async def answer(reader, writer):
        seen.append(await reader.readline())
        writer.write(b"nonsense\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening, real() as asking:
        port = listening.sockets[0].getsockname()[1]
        message = await failure(asking, f"http://127.0.0.1:{port}/a%2Fb?groups=a%2Cb%20%C3%A9,c+d&x")
    assert seen == [b"GET /a%2Fb?groups=a%2Cb%20%C3%A9,c+d&x HTTP/1.1\r\n"]
    assert message == f"GET http://127.0.0.1:{port}/a%2Fb: Bad status line"


async def test_connections_are_kept_and_cookies_are_not():
    heads = []

    async def answer(reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            heads.append((writer, head))
            writer.write(b"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\ncontent-length: 2\r\n\r\n{}")

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening, real() as asking:
        port = listening.sockets[0].getsockname()[1]
        assert [await asking.get(f"http://127.0.0.1:{port}/") for _ in range(2)] == [b"{}", b"{}"]
    (first, once), (second, again) = heads
    assert first is second
    assert once == again
    assert b"cookie" not in again


async def test_a_port_where_nobody_listens_is_one_error():
    async with server() as port:
        pass
    async with real() as asking:
        assert "failed" in await failure(asking, f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("used", [True, False])
async def test_closed_it_asks_no_more(used):
    async with server(HEAD, b"content-length: 2\r\n\r\n{}") as port, real() as asking:
        url = f"http://127.0.0.1:{port}/"
        if used:
            await asking.get(url)
        await asking.close()
        assert "it is asked no more" in await failure(asking, url)


@pytest.mark.parametrize("value", [b"s3cret\0", b"s3cret" * 20_000], ids=["NUL", "120 kB"])
async def test_a_header_that_can_not_be_read_is_told_to_nobody(value):
    async with server(HEAD, b"set-cookie: " + value + b"\r\n\r\n") as port, real() as asking:
        assert "s3cret" not in await failure(asking, f"http://127.0.0.1:{port}/")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of its own for 127.0.0.1, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "idp.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return file


async def test_a_certificate_is_believed_only_if_its_issuer_is_trusted(certificate):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with server(HEAD, b"content-length: 2\r\n\r\n{}", tls=tls) as port:
        async with real(ca_file=certificate) as asking:
            assert await asking.get(f"https://127.0.0.1:{port}/") == b"{}"
            assert "mismatch" in await failure(asking, f"https://localhost:{port}/")
        async with real() as asking:
            assert "CERTIFICATE_VERIFY_FAILED" in await failure(asking, f"https://127.0.0.1:{port}/")


@pytest.fixture
def asking_back(certificate):
    """A server's side of TLS that wants a certificate of its clients."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificate)
    tls.load_cert_chain(certificate)
    tls.verify_mode = ssl.CERT_REQUIRED
    return tls


ACTIVE = b'{"active": true, "sub": "alice"}'
SAID = [HEAD, b"content-length: %d\r\n\r\n" % len(ACTIVE), ACTIVE]


async def test_a_client_shows_its_certificate_and_another_does_not(certificate, asking_back):
    async with server(*SAID, tls=asking_back) as port, real(ca_file=certificate) as plain:
        await failure(plain, f"https://127.0.0.1:{port}/")
        showing = plain.own(cert=(certificate, certificate))
        assert await showing.get(f"https://127.0.0.1:{port}/") == ACTIVE
        await showing.close()


async def test_an_introspection_client_is_known_by_its_certificate_and_by_a_renewed_one(
    certificate, asking_back, tmp_path, clock
):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    async with server(*SAID, tls=asking_back) as port, real(ca_file=certificate) as plain:
        client = policy.Client("authz", "tls_client_auth", None, key, cert)
        accept = policy.Introspection("https://idp", client, f"https://127.0.0.1:{port}/ask")
        asking = Introspector(accept, plain, clock)
        with pytest.raises(Unavailable, match="the certificate of client authz can not be used"):
            await asking.ask(Token("a"), 0)
        for number, token in enumerate("ab"):
            for file in (cert, key):
                file.write_bytes(certificate.read_bytes())
                os.utime(file, (number, number))
            assert (await asking.ask(Token(token), 0)).claims.all["sub"] == "alice"
        await asking.close()
