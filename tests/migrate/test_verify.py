"""What `authz migrate verify` finds: nothing where rules mean the same, and every mistake that is planted."""

import asyncio
import json
from copy import deepcopy
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from authz.cli import verify
from authz.migrate.old import kinds, reading
from authz.migrate.verification import proof
from authz.migrate.verification.differences import Kind
from authz.migrate.verification.oathkeeper import Unreachable
from authz.migrate.verification.proof import Matter, Wanted
from tests.migrate import alive, ory
from tests.servers import free_port

pytestmark = pytest.mark.slow

REQUESTS = 2_000

OLD = """
apiVersion: gateway.kyma-project.io/v1beta1
kind: APIRule
metadata: {name: shop, namespace: shop}
spec:
  host: shop.example.com
  gateway: kyma-system/kyma-gateway
  service: {name: shop, port: 80}
  rules:
    - {path: /public/.*, methods: [GET], accessStrategies: [{handler: noop}]}
    - path: /orders/.*
      methods: [GET, POST]
      accessStrategies:
        - handler: jwt
          config:
            jwks_urls: ["https://idp.example.com/keys"]
            trusted_issuers: ["https://idp.example.com"]
            required_scope: [read]
            target_audience: [shop]
      mutators: [{handler: header, config: {headers: {X-User: "{{ print .Subject }}"}}}]
    - path: /notes
      methods: [GET]
      accessStrategies:
        - handler: oauth2_introspection
          config: {required_scope: ["notes:read"], introspection_url: "https://hydra.example.com/introspect"}
    - path: /meshed
      methods: [GET]
      service: {name: meshed, port: 80}
      accessStrategies:
        - {handler: jwt, config: {trusted_issuers: ["https://idp.example.com"]}}
"""

NEW = """
apiVersion: gateway.kyma-project.io/v2
kind: APIRule
metadata: {name: shop, namespace: shop}
spec:
  hosts: [shop.example.com]
  gateway: kyma-system/kyma-gateway
  service: {name: shop, port: 80}
  corsPolicy: {allowOrigins: [{regex: ".*"}]}
  rules:
    - {path: "/public/{**}", methods: [GET], noAuth: true}
    - path: /orders/{**}
      methods: [GET, POST]
      extAuth: {authorizers: [idp]}
      request: {headers: {X-Server: oathkeeper}}
    - {path: /notes, methods: [GET], extAuth: {authorizers: [hydra]}}
    - path: /meshed
      methods: [GET]
      service: {name: meshed, port: 80}
      jwt: {authentications: [{issuer: "https://idp.example.com", jwksUri: "https://idp.example.com/keys"}]}
"""
IDP = {"issuer": "https://idp.example.com", "jwksUri": "https://idp.example.com/keys"}
CONFIG: dict[str, Any] = {
    "authorizers": [
        {
            "name": "idp",
            "accept": [{"jwt": IDP | {"scopes": ["read"], "audiences": ["shop"]}}],
            "identityHeaders": {"x-user": "sub"},
        },
        {"name": "hydra", "accept": [{"introspection": {"clientId": "authz", "scopes": ["notes:read"]}}]},
    ]
}


class World:
    """Both worlds, the new one with whatever is to be planted."""

    def __init__(self, running, addresses, world, given, folder):
        self.oathkeeper = running
        self.addresses = addresses
        self.world = world
        self.given = given
        self.folder = folder
        (folder / "secret").write_text("secret")

    def write(self, plant=lambda *_: None):
        """NEW and CONFIG, changed by `plant`, in a folder as `convert` writes it."""
        apirule, config = yaml.safe_load(NEW), deepcopy(CONFIG)
        asked = config["authorizers"][1]["accept"][0]["introspection"]
        asked |= {"issuer": self.addresses.hydra.issuer, "endpoint": self.addresses.hydra.introspection}
        asked["clientSecretFile"] = str(self.folder / "secret")
        plant(apirule["spec"]["rules"], config)
        new = self.folder / "new"
        new.mkdir(exist_ok=True)
        (new / "apirules.yaml").write_text(yaml.safe_dump(self.addresses.moved(apirule)))
        (new / "authz.yaml").write_text(yaml.safe_dump(self.addresses.moved(config)))
        return new

    def prove(self, new):
        loaded = verify.new_rules(new, None)
        assert loaded.problems == ()
        matter = Matter(self.world, loaded, (), self.given)
        return asyncio.run(proof.prove(matter, Wanted(self.oathkeeper.url, REQUESTS)))


@pytest.fixture(scope="module")
def both(tmp_path_factory, hydra, issuers):
    folder = tmp_path_factory.mktemp("worlds")
    addresses = alive.Addresses(issuers, hydra, folder)
    config = addresses.moved(ory.kyma_config("https://idp.example.com/keys", hydra))
    old = addresses.moved(yaml.safe_load(OLD))
    world = reading.read([("old.yaml", old)], kinds.settings("config.yaml", config))
    assert world.problems == ()
    given = alive.credentials(issuers, hydra)
    with ory.oathkeeper(folder / "oathkeeper", alive.access_rules(world), config) as running:
        yield World(running, addresses, world, given, folder)


def test_rules_that_mean_the_same_differ_in_nothing_unexplained(both):
    tally = both.prove(both.write())
    assert tally.is_good, "\n".join(proof.table(tally))
    assert tally.asked >= REQUESTS
    assert tally.allowed > REQUESTS / 20  # it is not all refusals that agree


def jwt(config):
    return config["authorizers"][0]["accept"][0]["jwt"]


def public(index):
    def plant(rules, _config):
        rule = rules[index]
        rules[index] = {"path": rule["path"], "methods": rule["methods"], "noAuth": True}

    return plant


def rule(index, **values):
    return lambda rules, _: rules[index].update(values)


def without_rule(index):
    return lambda rules, _: rules.pop(index)


def audiences(*named):
    return lambda _, config: jwt(config).update(audiences=list(named))


def without_scopes(_, config):
    del jwt(config)["scopes"]


def without_scopes_of_hydra(_, config):
    del config["authorizers"][1]["accept"][0]["introspection"]["scopes"]


def beside_opaque_tokens(rules, _):
    """The sidecar of the workload then refuses what is no JWT, before anybody is asked about it."""
    del rules[3]["service"]


def of_another_claim(_, config):
    config["authorizers"][0]["identityHeaders"] = {"x-user": "email"}


def without_header(rules, _):
    del rules[1]["request"]


def the_rest(rules, _):
    rules.append({"path": "/*", "methods": ["GET"], "noAuth": True})


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (without_scopes, Kind.WIDENED),
        (audiences("shop", "elsewhere"), Kind.WIDENED),
        (audiences("z"), Kind.NARROWED),
        (without_scopes_of_hydra, Kind.WIDENED),
        (public(1), Kind.WIDENED),
        (public(2), Kind.WIDENED),
        (public(3), Kind.WIDENED),
        (the_rest, Kind.WIDENED),
        (rule(0, path="/public/{*}"), Kind.NARROWED),
        (rule(1, path="/orders"), Kind.NARROWED),
        (rule(1, methods=["GET"]), Kind.NARROWED),
        (rule(1, methods=["GET", "POST", "PUT"]), Kind.WIDENED),
        (rule(2, path="/note"), Kind.NARROWED),
        (without_rule(0), Kind.NARROWED),
        (beside_opaque_tokens, Kind.NARROWED),
        (without_rule(3), Kind.NARROWED),
        (of_another_claim, Kind.TOLD),
        (without_header, Kind.TOLD),
    ],
)
def test_a_planted_mistake_is_found_and_explained_by_nothing(both, plant, kind):
    tally = both.prove(both.write(plant))
    assert kind in {row.kind for row in tally.unexplained}, "\n".join(proof.table(tally))
    assert not tally.is_good


def test_the_verb_prints_the_table_and_ends_with_one_where_something_is_unexplained(both, tmp_path):
    old, tokens, log = tmp_path / "old.yaml", tmp_path / "tokens.yaml", tmp_path / "access.log"
    old.write_text(yaml.safe_dump(both.addresses.moved(yaml.safe_load(OLD))))
    tokens.write_text(yaml.safe_dump([{"name": one.name, one.kind: one.text} for one in both.given]))
    log.write_text(
        '10.0.0.1 - - [24/Nov/2026:09:00:00 +0000] "GET /public/logged?t=hunter2 HTTP/1.1" 200 1 "-" "-"\n'
    )
    said = ["--oathkeeper", both.oathkeeper.url, "--tokens", str(tokens), "--requests", "800"]
    said += ["--oathkeeper-config", str(both.folder / "oathkeeper" / "config.json")]
    said += ["--access-log", str(log), "--log-host", "shop.example.com", "--json", str(tmp_path / "out.json")]

    good = CliRunner().invoke(verify.verify, [str(old), "--new", str(both.write()), *said])
    assert (good.exit_code, "UNEXPLAINED" in good.stdout) == (0, False)
    assert json.loads((tmp_path / "out.json").read_text())["unexplained"] == 0
    bad = CliRunner().invoke(verify.verify, [str(old), "--new", str(both.write(public(1))), *said])
    assert (bad.exit_code, "UNEXPLAINED: refused before, passes now" in bad.stdout) == (1, True)
    for said_to_people in (good.output, bad.output, (tmp_path / "out.json").read_text()):
        assert "hunter2" not in said_to_people
        assert not any(one.text in said_to_people for one in both.given)


def test_an_oathkeeper_that_is_not_there_ends_it(both):
    matter = Matter(both.world, verify.new_rules(both.write(), None), (), ())
    nowhere = Wanted(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unreachable, match="ClientConnectorError"):
        asyncio.run(proof.prove(matter, nowhere))
