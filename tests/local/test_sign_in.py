"""Signing in on the laptop: what is run for it, and with which words."""

import json

import pytest
import yaml

from authz.local import keycloak, oauth2_proxy, plan, sign_in, site, suggestions
from authz.local.failure import CannotRun
from authz.local.oauth2_proxy import Login
from authz.local.ports import Ports
from authz.local.up import SAMPLES, SAMPLES_LOGIN
from authz.server.files import Document, Read
from authz.server.ruleset import CONFIG_KEY

PORTS = Ports().moved(10)
LOGIN = Login(4180, "http://127.0.0.1:9500/realms/authz", "oauth2-proxy", "a secret", "session")


@pytest.fixture(scope="module")
def samples():
    return plan.read([SAMPLES_LOGIN], 10)


def test_the_samples_sign_people_in_at_one_place(samples):
    assert samples.login
    assert samples.login.address == "http://oauth2-proxy.auth:4180"
    assert samples.login_hosts == ["board.localhost", "notes.localhost"]
    assert plan.read([SAMPLES]).login is None


def test_without_a_login_such_rules_do_not_run(samples):
    with pytest.raises(CannotRun, match="--idp keycloak"):
        sign_in.check(samples, None)
    sign_in.check(plan.read([SAMPLES]), None)


def edited(old, new, count=-1):
    text = "\n---\n".join(file.read_text() for file in sorted(SAMPLES_LOGIN.iterdir())).replace(
        old, new, count
    )
    documents = tuple(Document("login.yaml", each) for each in yaml.safe_load_all(text))
    return plan.make(Read(documents, frozenset()), 10)


def test_two_logins_do_not_run():
    made = edited('oauth2-proxy.auth:4180"', 'other.auth:4180", prefix: /b', 1)
    with pytest.raises(CannotRun, match=r"one oauth2-proxy runs here, not http://oauth2.* and http://other"):
        _ = made.login


class Running(sign_in.SignIn):
    """As if it had been started."""

    def __init__(self):
        self.password = "made at each start"


def test_people_are_told_where_to_sign_in_and_as_whom(samples):
    said = "\n".join(Running().welcome(samples, PORTS))
    for told in ("http://notes.localhost:8090/", "alice", "bob", ":9510/admin", "made at each start"):
        assert told in said


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("oauth2-proxy.auth:4180", "other.auth:4180", "sign in at http://other.auth:4180 now"),
        ("cookieName: session", "cookieName: other", "sign in at http://oauth2-proxy.auth:4180 now"),
        ("hosts: [notes.localhost]", "hosts: [pages.localhost]", "sign in at pages.localhost now"),
    ],
)
def test_what_is_another_login_takes_another_start(samples, old, new, problem):
    with pytest.raises(CannotRun, match=problem):
        sign_in.check(edited(old, new), Running(), samples)


def test_other_edits_are_followed(samples):
    sign_in.check(edited("path: /healthz", "path: /alive"), Running(), samples)


def proxies(settings):
    authorizers = yaml.safe_load(settings)["authorizers"]
    accepted = [one for each in authorizers for one in each["accept"]]
    return {one["session"]["oauth2Proxy"] for one in accepted if "session" in one}


def test_the_controller_leads_people_to_a_service(samples):
    assert proxies(plan.controller_settings(samples, PORTS)) == {"http://oauth2-proxy.auth:4180"}


def test_the_authorizer_and_the_sidecar_find_oauth2_proxy_on_this_machine(samples):
    assert proxies(plan.authorizer_files(samples, PORTS)[CONFIG_KEY]) == {"http://127.0.0.1:4190"}
    mesh = plan.mesh(samples, PORTS, SAMPLES, site.numbered(samples.backends, {}), {})
    behind = {each.host.partition(".")[0]: each.application.port for each in mesh.workloads}
    assert behind["oauth2-proxy"] == PORTS.oauth2_proxy
    assert PORTS.oauth2_proxy not in (behind["notes"], behind["board"])


def test_keycloaks_address_moves_with_its_port():
    moved = plan.read([SAMPLES_LOGIN], 100)  # to where the other provider's would otherwise go on from
    [everyone, _] = moved.loaded.config.authorizers
    assert everyone.accept[0].jwt
    assert everyone.accept[0].jwt.issuer == keycloak.issuer(Ports().moved(100).keycloak)


def test_keycloak_sends_people_back_to_known_places_only():
    realm = keycloak.realm(["http://notes.localhost:8080/oauth2/callback"], "a secret")
    clients = {each["clientId"]: each for each in realm["clients"]}
    login = clients[keycloak.CLIENT]
    assert (login["redirectUris"], login["secret"]) == (
        ["http://notes.localhost:8080/oauth2/callback"],
        "a secret",
    )
    assert login["attributes"]["pkce.code.challenge.method"] == "S256"
    assert clients[keycloak.ROBOT[0]]["secret"] == keycloak.ROBOT[1]


def test_secrets_stand_in_files_and_on_no_command_line(tmp_path):
    command = " ".join(oauth2_proxy.command(tmp_path / "oauth2-proxy", tmp_path, LOGIN))
    assert "a secret" not in command
    assert (tmp_path / "client-secret").read_text() == "a secret"
    assert (tmp_path / "cookie-secret").read_text() not in command


@pytest.mark.parametrize(
    "option",
    [
        "--code-challenge-method=S256",
        "--insecure-oidc-skip-nonce=false",
        "--reverse-proxy=true",
        "--trusted-proxy-ip=127.0.0.1",
        "--cookie-csrf-per-request=true",
        "--cookie-samesite=lax",
    ],
)
def test_oauth2_proxy_is_hardened(tmp_path, option):
    assert option in oauth2_proxy.command(tmp_path / "oauth2-proxy", tmp_path, LOGIN)


def test_nothing_is_let_past_oauth2_proxy(tmp_path):
    command = " ".join(oauth2_proxy.command(tmp_path / "oauth2-proxy", tmp_path, LOGIN))
    for risky in ("skip-auth", "ping-user-agent", "trusted-ip", "whitelist-domain", "skip-jwt-bearer"):
        assert risky not in command


def test_keycloak_runs_in_a_folder_of_its_own(tmp_path):
    unpacked, home = tmp_path / "keycloak", tmp_path / "home"
    unpacked.mkdir()
    home.mkdir()
    command = keycloak.command(tmp_path / "java", unpacked, home, (9500, 9501), {"realm": "authz"})
    assert f"-Dkc.home.dir={home}" in command
    assert json.loads((home / "data" / "import" / "authz-realm.json").read_text()) == {"realm": "authz"}
    assert list(unpacked.iterdir()) == []


def test_commands_to_try_take_keycloaks_tokens_and_leave_out_what_takes_a_browser(samples):
    commands = list(suggestions.curls(samples, PORTS, ("authz",), 10))
    token = '"Authorization: Bearer $(authz token --idp keycloak --port-offset 10)"'
    assert commands == [
        "curl -i http://notes.localhost:8090/healthz",
        f"curl -i http://notes.localhost:8090/ -H {token}",
    ]
