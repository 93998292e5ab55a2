"""The policy of a cluster: what the controller has taken, and nothing else as if it were valid."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.config import Config
from authz.controller import status
from authz.controller.status import Done, Obstructed, Unreadable, Waiting
from authz.core import route
from authz.core.policy import Authorizer
from authz.core.reason import Refused
from authz.core.request import Request
from authz.istio.problem import Problem
from authz.server.followed import Followed
from authz.server.ruleset import mesh_of
from tests.controller.clusters import EXT, JWT, PUBLIC, apirule, gateway

NOW = "2026-01-01T00:00:00Z"
BAD = (Problem("spec.rules[0].service", "Service not found"),)


def nothing():
    """Nobody listens."""


def following(changed=nothing):
    return Followed({"ours": Authorizer("ours")}, mesh_of(Config()), changed)


@pytest.fixture
def followed():
    return following()


class Cluster:
    """An API server's share: versions, generations and what the controller says."""

    def __init__(self, followed):
        self.followed = followed
        self.version = 0
        self.generations = {}

    def write(self, name, access, verdict=Done(), accepted=None, **spec):  # noqa: B008 - a value
        """A new version; without a verdict nobody has looked at it yet."""
        generation = self.generations[name] = self.generations.get(name, 0) + 1
        document = apirule(name, access, **spec)
        self._put(document, name, generation, verdict, accepted)
        return lambda told: self._put(document, name, generation, told)

    def delete(self, name):
        self.version += 1
        self.followed.rules.drop(f"shop/{name}", self.version)

    def _put(self, document, name, generation, verdict, accepted=None):
        self.version += 1
        metadata = document["metadata"] | {
            "resourceVersion": str(self.version),
            "generation": generation,
            "uid": name,
        }
        seen = generation if verdict else generation - 1
        told = (status.render(verdict or Done(), seen, b"", NOW) or {}) | {"hosts": accepted}
        self.followed.rules.put(document | {"metadata": metadata, "status": told})


@pytest.fixture
def cluster(followed):
    return Cluster(followed)


def put_gateway(followed, *hosts, version=itertools.count(1)):  # noqa: B008 - counts on
    document = gateway()
    servers = [{"port": {"number": 443}, "hosts": list(hosts)}]
    followed.gateways.put(
        document
        | {
            "metadata": document["metadata"] | {"resourceVersion": str(next(version))},
            "spec": {"servers": servers},
        }
    )


def checks(followed, host):
    """How many have to pass; None if it is refused whatever they say."""
    try:
        return len(route.match(followed.policy, Request("GET", host, "/a")).checks)
    except Refused:
        return None


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Done(), 1),
        (Waiting("for another"), 1),
        (Obstructed(BAD), None),
        (Unreadable(BAD), None),
        (None, None),
    ],
)
def test_only_what_the_controller_has_taken_is_enforced(followed, cluster, verdict, expected):
    cluster.write("a", EXT, verdict)
    assert checks(followed, "a.example.com") == expected


def test_a_refused_edit_is_not_enforced_and_neither_is_what_was_before(followed, cluster):
    cluster.write("a", EXT)
    cluster.write("a", PUBLIC, Obstructed(BAD))
    assert checks(followed, "a.example.com") is None
    assert followed.problems == ["shop/a: the controller has refused generation 2"]


@pytest.mark.parametrize(
    ("old", "new", "counts"), [(PUBLIC, EXT, (1, 1)), (EXT, PUBLIC, (1, 0)), (EXT, JWT, (2, 1))]
)
def test_an_edit_tightens_at_once_and_loosens_when_it_is_taken(followed, cluster, old, new, counts):
    cluster.write("a", old)
    judge = cluster.write("a", new, None)
    between = checks(followed, "a.example.com")
    judge(Done())
    assert (between, checks(followed, "a.example.com")) == counts


def test_a_host_that_an_edit_adds_waits_and_one_that_it_drops_is_refused(followed, cluster):
    cluster.write("a", PUBLIC)
    judge = cluster.write("a", PUBLIC, None, hosts=["b.example.com"])
    assert [checks(followed, f"{name}.example.com") for name in "ab"] == [None, None]
    judge(Done())
    assert [checks(followed, f"{name}.example.com") for name in "ab"] == [None, 0]


def test_the_host_of_a_refused_one_is_not_served_by_a_wildcard(followed, cluster):
    put_gateway(followed, "*")
    cluster.write("wide", PUBLIC, hosts=["*.example.com"])
    assert checks(followed, "a.example.com") == 0
    cluster.write("a", EXT, Obstructed(BAD))
    assert checks(followed, "a.example.com") is None
    cluster.delete("a")
    assert checks(followed, "a.example.com") == 0


def test_what_can_not_be_read_refuses_its_hosts_too(followed, cluster):
    put_gateway(followed, "*")
    cluster.write("wide", PUBLIC, hosts=["*.example.com"])
    cluster.write("a", {"noAuth": True, "unheard": "of"}, Unreadable(BAD))
    assert checks(followed, "a.example.com") is None


def test_a_refused_one_without_a_gateway_takes_nothing_from_a_wildcard(followed, cluster):
    put_gateway(followed, "*")
    cluster.write("wide", PUBLIC, hosts=["*.example.com"])
    cluster.write("a", EXT, Obstructed(BAD), gateway="no/where")
    cluster.write("b", {"noAuth": True, "unheard": "of"}, Unreadable(BAD), gateway="no/where")
    assert [checks(followed, f"{name}.example.com") for name in "ab"] == [0, 0]


def test_a_refused_one_does_not_take_the_host_of_another(followed, cluster):
    cluster.write("a", EXT)
    cluster.write("b", PUBLIC, Obstructed(BAD), hosts=["a.example.com"])
    assert checks(followed, "a.example.com") == 1
    cluster.delete("a")
    assert checks(followed, "a.example.com") is None


def test_who_has_a_host_keeps_it(followed, cluster):
    cluster.write("a", EXT)
    cluster.write("b", PUBLIC, hosts=["a.example.com"])
    cluster.write("a", EXT)
    assert checks(followed, "a.example.com") == 1
    cluster.delete("a")
    assert checks(followed, "a.example.com") == 0
    assert [rule.key for rule in followed.apirules] == ["shop/b"]


def test_a_host_that_was_not_accepted_is_not_taken_from_who_has_it(followed, cluster):
    """Its Gateway's domain has become another's; who is listed first after a restart does not matter."""
    put_gateway(followed, "*.new.org")
    cluster.write("a", PUBLIC, hosts=["short"], accepted=["short.old.org"])
    assert checks(followed, "short.new.org") is None
    cluster.write("z", EXT, hosts=["short.new.org"], accepted=["short.new.org"])
    assert checks(followed, "short.new.org") == 1
    cluster.write("a", PUBLIC, hosts=["short"], accepted=[])
    assert checks(followed, "short.new.org") == 1


def test_another_configuration_makes_another_policy(followed, cluster):
    cluster.write("a", EXT)
    followed.configure({}, mesh_of(Config()))
    (check,) = route.match(followed.policy, Request("GET", "a.example.com", "/a")).checks
    assert check.authorizer == Authorizer("ours")


def test_a_short_host_is_completed_once_its_gateway_is_known(followed, cluster):
    cluster.write("a", PUBLIC, hosts=["short"])
    assert checks(followed, "short.example.org") is None
    put_gateway(followed, "*.example.org")
    assert checks(followed, "short.example.org") == 0


def test_whatever_changes_the_policy_is_told():
    told = []
    whole: Followed = following(lambda: told.append(whole.policy))
    cluster = Cluster(whole)
    cluster.write("a", PUBLIC, hosts=["short"])
    put_gateway(cluster.followed, "*.example.org")
    named = Authorizer("ours", identity_headers={"x-who": "sub"})
    cluster.followed.configure({"ours": named}, mesh_of(Config()))
    cluster.delete("a")
    assert [list(policy.hosts) for policy in told] == [[], ["short.example.org"], ["short.example.org"], []]
    assert ["x-who" in policy.identity_headers for policy in told] == [False, False, True, True]


def test_all_versions_that_count_are_told_and_none_of_them_is_a_problem(followed, cluster):
    cluster.write("a", PUBLIC)
    cluster.write("a", EXT, None)
    cluster.write("b", EXT, None)
    assert [bool(rule.spec.rules[0].ext_auth) for rule in followed.apirules] == [False, True, True]
    assert followed.problems == []


def test_what_only_the_controller_can_read_is_refused(followed, cluster):
    """It is newer than this authorizer."""
    put_gateway(followed, "*")
    cluster.write("a", PUBLIC)
    cluster.write("a", {"noAuth": True, "unheard": "of"}, Done())
    assert checks(followed, "a.example.com") is None
    assert list(followed.policy.hosts) == ["a.example.com"]


def test_what_can_not_be_read_takes_no_host_that_its_gateway_gives_to_others(followed, cluster):
    put_gateway(followed, "evil/a.example.com", "shop/*.example.com")
    cluster.write("wide", PUBLIC, hosts=["*.example.com"])
    cluster.write("b", {"noAuth": True, "unheard": "of"}, Unreadable(BAD))
    assert [checks(followed, f"{name}.example.com") for name in "ab"] == [0, None]


GATEWAYS = [("*",), ("*.example.com",), ("*.example.org",), ("shop/*.example.com", "evil/short.example.com")]
NEWER = {"noAuth": True, "unheard": "of"}
writes = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from([PUBLIC, EXT, JWT, NEWER]),
    st.sampled_from([Done(), Obstructed(BAD), None]),
    st.booleans(),
)
HOSTS = {
    "a": ["short", "*.example.com"],
    "b": ["b.example.com", "b.example.org"],
    "c": ["*.example.org", "c"],
}
histories = st.lists(st.one_of(writes, st.sampled_from("abc"), st.sampled_from(GATEWAYS)), max_size=10)


@settings(max_examples=100)
@given(histories, st.permutations("abcg"))
def test_the_policy_is_what_is_there_now_whatever_came_before_and_first(history, order):
    """But for who had a host before: these have none in common."""
    followed, last = following(), {}
    cluster = Cluster(followed)

    def happen(cluster, event):
        match event:
            case (str(name), dict(access), verdict, bool(other)):
                cluster.write(name, access, verdict, hosts=[HOSTS[name][other]])
            case tuple(hosts):
                put_gateway(cluster.followed, *hosts)
            case _:
                cluster.delete(event)

    for event in history:
        happen(cluster, event)
        name = event if isinstance(event, str) else event[0] if len(event) == 4 else "g"
        last[name] = None if isinstance(event, str) else event
    for name, event in last.items():  # what has not been judged counts beside what was before
        if event and len(event) == 4 and event[2] is None:
            last[name] = (*event[:2], Done(), event[3])
            happen(cluster, last[name])
    fresh = Cluster(following())
    for event in filter(None, map(last.get, order)):
        happen(fresh, event)
    assert fresh.followed.policy == followed.policy
    assert sorted(map(str, fresh.followed.apirules)) == sorted(map(str, followed.apirules))
