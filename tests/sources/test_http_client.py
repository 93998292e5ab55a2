"""One GET, bounded: what is asked, what is accepted, and what is said when it goes wrong."""

import httpx
import pytest
from aiohttp import ClientError, ServerTimeoutError

from authz.core.reason import Unavailable
from authz.sources.http import BODY_MAX_BYTES, Client
from tests.far_end import FarEnd

URL = "https://idp.example.com/keys"


def client(*answers, **settings):
    """A client whose peer gives these answers in turn, and the requests it gets."""
    requests: list[httpx.Request] = []
    left = iter(answers)

    def answer(request):
        requests.append(request)
        given = next(left)
        if isinstance(given, Exception):
            raise given
        return given

    return Client(transport=FarEnd(answer), **settings), requests


def redirect(location, status=302):
    return httpx.Response(status, headers={"location": location})


async def failure(asking, url=URL):
    """What the one error says."""
    with pytest.raises(Unavailable) as caught:
        await asking.get(url)
    return str(caught.value)


async def test_the_body_of_a_200_is_the_answer():
    asking, _ = client(httpx.Response(200, content=b"{}"))
    assert await asking.get(f"{URL}?x=1") == b"{}"


async def test_what_is_sent_asks_for_plain_json_and_carries_the_given_headers():
    asking, requests = client(httpx.Response(200))
    await asking.get(URL, {"x-a": "b"})
    (sent,) = requests
    assert (sent.method, sent.headers["accept-encoding"], sent.headers["x-a"]) == ("GET", "identity", "b")


async def test_no_cookie_is_kept():
    asking, requests = client(httpx.Response(200, headers={"set-cookie": "a=b; Path=/"}), httpx.Response(200))
    await asking.get(URL)
    await asking.get(URL)
    assert "cookie" not in requests[1].headers


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (httpx.Response(500, content=b"secret"), "status 500"),
        (httpx.Response(404), "status 404"),
        (httpx.Response(204), "status 204"),
        (httpx.Response(206), "status 206"),
        (httpx.Response(304), "status 304"),
        (httpx.Response(302), "status 302"),
        (httpx.Response(200, content=b"x" * (BODY_MAX_BYTES + 1)), "longer than 1048576 bytes"),
        (
            httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"")),
            "the body is encoded",
        ),
        (ClientError("[Errno 111] refused"), "[Errno 111] refused"),
        (ServerTimeoutError(), "ServerTimeoutError"),
        (ClientError("x" * 100_000), "x" * 200),
        (redirect("https://other.example.com/keys"), "another origin, https://other.example.com"),
        (redirect("https://idp.example.com.evil.example/"), "another origin"),
        (redirect("https://idp.example.com:8443/keys"), "another origin"),
        (redirect("http://idp.example.com/keys"), "another origin, http://idp.example.com"),
        (redirect("//other.example.com/keys"), "another origin"),
        (redirect("https://u:p@idp.example.com/keys"), "must not carry credentials"),
        (redirect("https://u:p@other.example.com/keys"), "another origin, https://other.example.com"),
        (redirect("file:///etc/passwd"), "another origin"),
        (redirect("https://idp.example.com:x/"), "Invalid port"),
        (redirect("//idp.example.com:x/"), "Invalid"),
    ],
)
async def test_every_other_answer_is_one_error_that_names_the_url(answer, text):
    asking, requests = client(answer)
    message = await failure(asking, f"{URL}?client_secret=s3cret#x")
    assert message.startswith(f"GET {URL}: ")
    assert text in message
    assert "s3cret" not in message
    assert len(requests) == 1
    assert len(message) < 300


@pytest.mark.parametrize("location", ["javascript:1", "https://[", "//:99999", "https://a:b/"])
async def test_a_redirect_to_nowhere_is_one_error_too(location):
    asking, _ = client(redirect(location))
    assert f"GET {URL}: " in await failure(asking)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_within_the_origin_is_followed(status):
    asking, requests = client(redirect("/a/../b?c", status), httpx.Response(200, content=b"{}"))
    assert await asking.get(URL) == b"{}"
    assert [str(request.url) for request in requests] == [URL, "https://idp.example.com/b?c"]


@pytest.mark.parametrize(
    "location", ["https://IDP.example.com:443/b", "HTTPS://idp.example.com/b", "b", "?b", ""]
)
async def test_an_origin_has_more_than_one_spelling(location):
    asking, requests = client(redirect(location), httpx.Response(200))
    await asking.get(URL)
    assert len(requests) == 2


async def test_three_redirects_are_followed_and_no_more():
    asking, requests = client(*[redirect("/keys")] * 3, httpx.Response(200, content=b"{}"))
    assert await asking.get(URL) == b"{}"
    asking, requests = client(*[redirect("/keys")] * 5)
    assert await failure(asking) == f"GET {URL}: too many redirects"
    assert len(requests) == 4


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/",
        "http://idp.localhost:8080/",
        "http://127.0.0.1/",
        "http://127.9.9.9:1/",
        "http://[::1]/",
        "http://idp.svc/",
        "https://idp.example.com:8443/",
    ],
)
async def test_these_may_be_asked(url):
    asking, _ = client(httpx.Response(200, content=b"{}"), plain_http_hosts=frozenset({"idp.svc"}))
    assert await asking.get(url) == b"{}"


@pytest.mark.parametrize(
    "url",
    [
        "http://idp.example.com/",
        "http://a.idp.svc/",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "http://evillocalhost/",
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "http://[::2]/",
        "http://2130706433/",
        "ftp://localhost/",
        "file://localhost/etc/passwd",
        "ws://localhost/",
        "https://idp.example.com:99999/",
        "https://u:s3cret@idp.example.com/",
        "https://u@localhost/",
        "http://u:s3cret@[::1]:7/",
        "https://:s3cret@/",
        "https:///keys",
        "//idp.example.com/",
        "keys",
        "",
        "https://",
        "https://idp.example.com:x/",
        "https://idp\n.example.com/",
        "http://localhost@evil.example/",
        "http://evil.example#@localhost/",
        "http://evil.example\\@localhost/",
    ],
)
async def test_these_may_not_be_asked(url):
    asking, requests = client(plain_http_hosts=frozenset({"idp.svc"}))
    message = await failure(asking, url)
    assert message.startswith("GET")
    assert "s3cret" not in message
    assert requests == []


async def test_the_url_is_shown_in_its_encoded_form():
    asking, _ = client(httpx.Response(500))
    assert await failure(asking, f"{URL}/%0aa b?q") == f"GET {URL}/%0aa%20b: status 500"
