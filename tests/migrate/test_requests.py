"""The requests that both worlds are asked: many, of every kind, spread over the rules, fixed by a seed."""

from collections import Counter
from itertools import islice
from random import Random

import pytest

from authz.core.policy import Policy
from authz.migrate.old import matching
from authz.migrate.old.rule import Pattern
from authz.migrate.verification import requests, samples
from authz.migrate.verification.requests import BEARER, METHODS, Place, Sent, shown
from authz.migrate.verification.subjects import subjects
from authz.migrate.verification.wallet import Credential
from tests.migrate import worlds
from tests.migrate.worlds import REALISTIC, SHAPES

GIVEN = [
    Credential("one", "opaque"),
    Credential("program", "a:b", "basic"),
    Credential("other", "x", issuer="z"),
]


@pytest.fixture(scope="module")
def tried():
    return list(subjects(worlds.read(REALISTIC, SHAPES).rules, None, Policy(), 1))


def test_many_are_made_and_spread_over_all_rules(tried):
    made = list(requests.generate(tried, GIVEN, 20_000, 1))
    assert len(made) >= 20_000
    about = Counter((str(one.about.origin), one.about.index) for one in made if one.about)
    assert len(about) == len(tried) > 200
    assert max(about.values()) - min(about.values()) <= 1


def test_a_seed_makes_the_same_and_another_seed_others(tried):
    first, again, other = (list(requests.generate(tried[:20], GIVEN, 2_000, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_each_rule_is_tried_in_every_way(tried):
    made = list(requests.generate(tried[:3], GIVEN, 900, 1))
    assert set(METHODS) <= {one.method for one in made}
    assert {"no credential", "one", "program", "other", "garbage"} <= {one.credential.name for one in made}
    assert any(one.twice for one in made)
    assert any("origin" in dict(one.lines) for one in made)
    assert any(one.host.endswith(":443") for one in made)
    assert any(one.host.isupper() for one in made)


@pytest.mark.parametrize(
    ("place", "twice", "query", "headers"),
    [
        (BEARER, False, "", {"authorization": "Bearer opaque"}),
        (BEARER, True, "", {"authorization": "Bearer opaque,Bearer opaque"}),
        (Place("header", "x-token"), False, "", {"x-token": "opaque"}),
        (Place("query", "t"), True, "t=opaque&t=opaque", {}),
        (Place("cookie", "t"), True, "", {"cookie": "t=opaque; t=opaque"}),
    ],
)
def test_a_token_is_put_in_its_place(place, twice, query, headers):
    request = shown(Sent("GET", "h", "/"), GIVEN[0], place, twice=twice).request
    assert (request.query, dict(request.headers)) == (query, headers)


def test_a_request_prints_no_credential():
    sent = shown(Sent("GET", "h", "/"), Credential("name", "hunter2"), Place("query", "t"))
    assert "hunter2" not in f"{sent} {sent!r}"
    assert "name in query t" in str(sent)


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        (Pattern("/.*"), ["/", "/a/b"], ["a"]),
        (Pattern("/a|/a/.*"), ["/a", "/a/b", "/%61/b"], ["/ab"]),
        (Pattern("/api/<(?!admin).*>", "oathkeeper"), ["/api/x"], ["/api/admin/x"]),
        (Pattern("/a.b/<[0-9]+>", "oathkeeper"), ["/a.b/12"], ["/axb/12", "/a.b/"]),
        (Pattern("/a/<{x,y*}>/<**>", "glob"), ["/a/x/", "/a/yz/b/c.d"], ["/a/z/", "/a/y.z/"]),
        (Pattern("/a/<[!a-c]?>", "glob"), ["/a/dx"], ["/a/ax", "/a/d"]),
        (Pattern("/broken("), [], ["/broken", "/broken("]),
    ],
)
def test_paths_are_compared_as_oathkeeper_does_and_found_inside(pattern, inside, outside):
    assert [path for path in inside if not matching.matches(pattern, path)] == []
    assert [path for path in outside if matching.matches(pattern, path)] == []
    found = samples.of(pattern, Random("x"))
    assert bool(found) == bool(inside)
    assert all(matching.matches(pattern, path) for path in found)
    assert list(islice(samples.around(found), 1)) != [] or not inside


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/a/../b", "/b"),
        ("/a/.", "/a/"),
        ("/%61%2F", "/a%2F"),
        ("/a//b", "/a//b"),
        ("/..", "/"),
        ("/%2e%2e/x", "/x"),
    ],
)
def test_paths_are_what_the_gateway_makes_of_them(path, canonical):
    assert samples.canonical(path) == canonical
