"""Protected resource metadata through real Envoys: found from the challenge, and a door to nothing else."""

import httpx
import pytest

from authz.core.metadata import WELL_KNOWN
from authz.local import ports, raw
from authz.local.laptop import Laptop
from authz.local.up import SAMPLES

pytestmark = pytest.mark.slow


async def test_a_client_that_knows_nothing_finds_where_to_get_a_token():
    async with Laptop([SAMPLES], ports.free_offset()) as laptop:

        async def ask(host, path, method="GET", *headers):
            authority = f"{host}.localhost:{laptop.ports.gateway}"
            return await raw.ask(laptop.ports.gateway, method, path, [("host", authority), *headers])

        for host, path in [("shop", "/orders"), ("account", "/a/b"), ("dashboard", "/d/1")]:
            origin = f"http://{host}.localhost:{laptop.ports.gateway}"
            challenge = (await ask(host, path)).headers["www-authenticate"]
            assert f'resource_metadata="{origin}{WELL_KNOWN}{path}"' in challenge
            found = await ask(host, WELL_KNOWN + path, "GET", ("origin", "https://a.example.com"))
            assert (found.status, found.headers["content-type"]) == (200, "application/json")
            assert found.headers["access-control-allow-origin"] == "*"
            assert found.document["resource"] == origin + path
            assert found.document["authorization_servers"] == [laptop.issuer.url]
            async with httpx.AsyncClient() as client:
                address = f"http://127.0.0.1:{laptop.ports.gateway}{WELL_KNOWN}{path}"
                assert (await client.head(address, headers={"host": origin[7:]})).status_code == 200

        scopes = (await ask("shop", f"{WELL_KNOWN}/orders")).document["scopes_supported"]
        assert scopes == ["orders:read", "orders:write"]

        doors = [
            ("shop", f"{WELL_KNOWN}/../../orders", "GET", 401),
            ("shop", f"{WELL_KNOWN}/..%2forders", "GET", 400),
            ("shop", f"{WELL_KNOWN}/orders", "POST", 404),
            ("account", f"{WELL_KNOWN}x", "GET", 401),
            ("account", f"{WELL_KNOWN}/a", "POST", 401),
            ("dashboard", f"{WELL_KNOWN}/a", "POST", 401),
            ("reports", WELL_KNOWN, "GET", 404),
        ]
        assert [(await ask(host, path, method)).status for host, path, method, _ in doors] == [
            status for *_, status in doors
        ]

        await laptop.stop_authorizer()
        assert (await ask("account", WELL_KNOWN)).status == 503
        assert (await ask("dashboard", WELL_KNOWN)).status == 503
