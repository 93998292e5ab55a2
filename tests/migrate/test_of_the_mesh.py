"""What the mesh decided before is decided by it again, and `verify` says where that is not so."""

from typing import Any

import pytest

from authz import config as settings
from authz.migrate.conversion.convert import convert
from authz.migrate.verification.before import Before
from authz.migrate.verification.mesh import Mesh
from authz.migrate.verification.requests import Sent
from authz.migrate.verification.verify import Tally, Verification
from authz.server import ruleset
from authz.server.files import Document, Read
from tests.migrate.written import BY_MESH, NOOP, apirule, strategy

OLD = apirule(strategy("/a", "GET", BY_MESH), strategy("/b", "GET", NOOP))
NOBODY: Any = None  # neither Oathkeeper nor a source is asked


async def told(plant: Any, sent: Sent) -> Tally:
    """Of a request under the converted rules, once somebody has changed them."""
    (rule,) = convert(OLD).apirules
    plant(rule["spec"]["rules"])
    loaded = ruleset.load(Read((Document("new", rule),)), settings.parse(""))
    tally = Tally()
    verification = Verification(Before(OLD.rules, NOBODY), Mesh(loaded, NOBODY), OLD.rules, ())
    await verification.judge(sent, tally)
    return tally


def opened(rules: Any) -> None:
    del rules[0]["jwt"]
    rules[0]["noAuth"] = True


def gone(rules: Any) -> None:
    del rules[0]


def request(method: str = "GET", path: str = "/a", **more: Any) -> Sent:
    return Sent(method, "shop.example.com", path, about=OLD.rules[0], **more)


@pytest.mark.parametrize(
    ("plant", "title"),
    [
        (opened, "refused before, passes now"),
        (gone, "passed before, refused now"),
    ],
)
async def test_a_rule_of_the_mesh_that_is_another_now_is_told_of(plant, title):
    tally = await told(plant, request())
    (row,) = tally.unexplained
    assert row.kind == title
    assert tally.skipped == 0


@pytest.mark.parametrize(
    ("plant", "sent"),
    [
        (lambda _: None, request()),
        (lambda _: None, request("POST")),
        (gone, request("POST")),  # no rule listed it
        (
            opened,
            request("OPTIONS", lines=(("origin", "https://x"), ("access-control-request-method", "GET"))),
        ),
    ],
)
async def test_what_it_decides_as_before_is_counted_and_not_compared(plant, sent):
    tally = await told(plant, sent)
    assert tally.rows == {}
    assert tally.skipped + tally.same == 1
