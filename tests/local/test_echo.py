"""The echo workload: what it says of a request is what it was sent."""

import httpx

from authz.local import echo


async def test_a_request_is_told_as_it_was_sent():
    transport = httpx.ASGITransport(echo.app("shop"))
    headers = [("x-tag", "a"), ("x-tag", "b"), ("x_one", "1")]
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.localhost") as client:
        told = (await client.post("/a%20b//c?x=1", headers=headers)).json()
    assert (told["service"], told["method"], told["path"], told["query"]) == (
        *("shop", "POST", "/a%20b//c", "x=1"),
    )
    assert (told["headers"]["x-tag"], told["headers"]["x_one"]) == (["a", "b"], "1")
