"""Whom a process asks, and how, of all that the rules and the settings say."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from authz import config
from authz.server import asked
from authz.server.files import Document, Read
from authz.server.ruleset import Loaded, load
from tests.server.test_files import apirule

SETTINGS = config.parse("""
authorizers:
- {name: one, accept: [{jwt: {issuer: "https://one", audiences: [a]}}]}
- {name: two, accept: [{jwt: {issuer: "https://two", audiences: [a]}}]}
""")
MESH = {"authentications": [{"issuer": "https://mesh", "jwksUri": "https://mesh/keys"}]}


def loaded(enforcement: str, **rule: Any) -> Loaded:
    body = apirule(**rule)
    body["spec"]["enforcement"] = enforcement  # type: ignore[index]  # a mapping
    return load(Read((Document("a.yaml", body),)), SETTINGS)


def issuers(from_: Loaded) -> list[str]:
    return [accept.issuer for accept in asked.accepts(from_)]  # type: ignore[union-attr]  # no sessions here


@pytest.mark.parametrize(
    ("enforcement", "rule", "expected"),
    [
        ("Workload", {"extAuth": {"authorizers": ["one"]}}, ["https://one"]),
        ("Gateway", {"extAuth": {"authorizers": ["one", "two"]}}, ["https://one", "https://two"]),
        ("Gateway", {"jwt": MESH}, ["https://mesh"]),
        ("Workload", {"jwt": MESH}, []),
        ("Workload", {"noAuth": True}, []),
    ],
)
def test_those_are_asked_whom_the_authorizer_believes_and_not_the_mesh(enforcement, rule, expected):
    assert issuers(loaded(enforcement, **rule)) == expected


def test_those_of_a_version_that_is_coming_are_asked_too():
    now = loaded("Workload", extAuth={"authorizers": ["one"]})
    coming = loaded("Workload", extAuth={"authorizers": ["two"]})
    hosts = {name: replace(host, coming=coming.policy.hosts[name]) for name, host in now.policy.hosts.items()}
    both = replace(now, policy=replace(now.policy, hosts=hosts))
    assert issuers(both) == ["https://one", "https://two"]


async def test_sources_are_asked_as_the_settings_say():
    times = "{ttl: 100s, stale: 3s, refreshCooldown: 4s, plainHttpHosts: [idp]}"
    client, sources = asked.sources_of(config.parse(f"sources: {times}"))
    refresh = sources._settings
    assert (refresh.ttl_s, refresh.refresh_before_s, refresh.stale_s, refresh.cooldown_s) == (100, 50, 3, 4)
    assert client._plain_http_hosts == {"idp"}
    await asyncio.gather(sources.close(), client.close())
