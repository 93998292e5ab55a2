"""How Oathkeeper is asked: its answer is the answer, and nobody else is."""

from types import SimpleNamespace
from typing import Any

import pytest

from authz.migrate.verification.oathkeeper import Oathkeeper, Unreachable
from authz.migrate.verification.requests import Sent


class Session:
    """Redirects to a login page; whoever follows gets that page."""

    def get(self, *_, allow_redirects=True, **__):
        self._status = 200 if allow_redirects else 302
        return self

    async def __aenter__(self):
        return SimpleNamespace(status=self._status, headers={"Location": "https://idp/login"}, content=self)

    async def __aexit__(self, *_):
        pass

    async def read(self, _):
        return b""


SESSION: Any = Session()


async def test_a_redirect_to_the_login_page_is_a_refusal():
    answer = await Oathkeeper("http://oathkeeper", SESSION).ask(Sent("GET", "shop.example.com", "/"))
    assert (answer.status, answer.allows) == (302, False)


async def test_an_address_that_redirects_is_no_oathkeeper():
    with pytest.raises(Unreachable, match="answers 302"):
        await Oathkeeper("http://oathkeeper", SESSION).is_there()
