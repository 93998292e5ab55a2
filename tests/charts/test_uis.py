"""Dashboards behind the login: who is let in, by which way, and what each has to be told."""

import json
import subprocess
import sys

import pytest
import yaml

from tests.charts.helm import COMBINATIONS, LOGIN, UIS, Refused, grafana_ini, notes, one, rendered
from tests.login.dashboards import CLUSTER

pytestmark = pytest.mark.slow

GATEWAY = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"
KIALI, GRAFANA = (f"cluster.local/ns/istio-system/sa/{name}" for name in ("kiali", "grafana"))
INGEST = ("4317", "4318", "9411", "14250", "14268")
WRITES = ("POST", "PUT", "PATCH", "DELETE")
VALUES = dict(COMBINATIONS["dashboards"])
OTHER = {"name": "other", "accept": [{"jwt": {"issuer": "https://a.example.com", "audiences": ["a"]}}]}


@pytest.fixture(scope="module")
def made(all_rendered):
    return all_rendered["dashboards"]


def settings(documents):
    return yaml.safe_load(one(documents, "ConfigMap", "authz")["data"]["authz.yaml"])


def authz(*arguments):
    command = [sys.executable, "-m", "authz", *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture
def files(made, tmp_path):
    return written(made, tmp_path)


def written(made, tmp_path):
    """What was rendered, as the command line takes it: the configuration and everything else."""
    config = settings(made)
    config["policy"] = {"files": ["all.yaml"]}
    keys = tmp_path / "signing"
    keys.mkdir()
    config["identityTokens"]["keys"] = [str(keys)]
    key = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    subprocess.run([*key, "-out", keys / "a.pem"], check=True, capture_output=True)
    (tmp_path / "authz.yaml").write_text(yaml.safe_dump(config))
    kinds = ("APIRule", "Service")
    found = [each for each in made if each["kind"] in kinds]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([*found, *yaml.safe_load_all(CLUSTER)]))
    return tmp_path


def test_the_programs_find_nothing_to_complain_of(files):
    authz("config", "check", files / "authz.yaml")
    text = authz("render", files / "all.yaml", "--config", files / "authz.yaml")
    policies = [each for each in yaml.safe_load_all(text) if each["kind"] == "AuthorizationPolicy"]
    asking = {host for each in policies if each["spec"]["action"] == "CUSTOM" for host in _hosts(each)}
    assert asking >= {ui["host"] for ui in UIS.values()}


def test_they_stand_where_services_of_other_namespaces_are_refused(tmp_path):
    """Grafana's APIRule leads to the authorizer's keys, which are in another namespace than it is."""
    config = VALUES["config"] | {"istio": {"foreignServices": "Refuse"}}
    files = written(rendered(VALUES | {"config": config}), tmp_path)
    authz("render", files / "all.yaml", "--config", files / "authz.yaml")


def _hosts(policy):
    return {
        host for rule in policy["spec"]["rules"] for to in rule["to"] for host in to["operation"]["hosts"]
    }


def test_each_has_an_authorizer_that_takes_sessions_of_those_who_may_look(made):
    """And nothing else: no token of a program opens a dashboard."""
    found = {each["name"]: each for each in settings(made)["authorizers"]}
    assert found.keys() == {f"ui-{name}" for name in UIS}
    for name, ui in UIS.items():
        [accept] = found[f"ui-{name}"]["accept"]
        (session,) = accept.values()
        assert session.pop("oauth2Proxy") == "http://authz-oauth2-proxy.authz-system:4180"
        assert session.pop("cookieName") == "__Host-session"
        assert session == {key: value for key, value in ui.items() if key.startswith("allowed")}


@pytest.mark.parametrize(
    ("view_only", "methods"), [(True, {"GET", "HEAD"}), (False, {"GET", "HEAD", *WRITES})]
)
def test_kiali_writes_for_nobody_unless_that_is_asked_for(view_only, methods):
    made = rendered(VALUES | {"uis": {"kiali": UIS["kiali"] | {"viewOnly": view_only}}})
    *posts, rest = one(made, "APIRule", "authz-kiali")["spec"]["rules"]
    assert (rest["path"], set(rest["methods"])) == ("/*", methods)
    assert all(each["path"].endswith(("/api/authenticate", "/api/stats/metrics")) for each in posts)
    assert bool(posts) == view_only


def test_authorizers_that_are_given_stay():
    config = VALUES["config"] | {"authorizers": [OTHER]}
    found = settings(rendered(VALUES | {"config": config}))["authorizers"]
    assert found[0] == OTHER
    assert len(found) == 1 + len(UIS)


def allowed(documents, name):
    """Who may use which ports of its pods, where there is a sidecar."""
    policy = one(documents, "AuthorizationPolicy", f"authz-{name}")["spec"]
    assert policy["action"] == "ALLOW"
    return {
        (who, port)
        for rule in policy["rules"]
        for source in rule.get("from", [{"source": {"principals": ["*"]}}])
        for who in source["source"]["principals"]
        for to in rule["to"]
        for port in to["operation"]["ports"]
    }


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("kiali", {(GATEWAY, "20001")}),
        ("grafana", {(GATEWAY, "3000"), (KIALI, "3000")}),
        (
            "jaeger",
            {(GATEWAY, "16686")}
            | {(each, port) for each in (KIALI, GRAFANA) for port in ("16686", "16685")}
            | {("*", port) for port in INGEST},
        ),
        ("prometheus", {(GATEWAY, "9090"), (KIALI, "9090"), (GRAFANA, "9090")}),
    ],
)
def test_only_the_gateway_reaches_them_and_those_that_have_to(made, name, who):
    assert allowed(made, name) == who
    mine = [each for each in made if each["metadata"]["name"] == f"authz-{name}"]
    assert {each["kind"] for each in mine} == {
        "APIRule",
        "AuthorizationPolicy",
        "NetworkPolicy",
        "PeerAuthentication",
    }
    assert one(mine, "PeerAuthentication", f"authz-{name}")["spec"]["mtls"] == {"mode": "STRICT"}
    network = one(mine, "NetworkPolicy", f"authz-{name}")["spec"]
    ports = {str(port["port"]) for rule in network["ingress"] for port in rule["ports"]}
    assert ports == {port for _, port in who}
    open_to_all = {
        str(port["port"]) for rule in network["ingress"] if "from" not in rule for port in rule["ports"]
    }
    assert open_to_all == {port for someone, port in who if someone == "*"}


def test_who_is_not_behind_the_login_is_no_caller_either():
    alone = rendered(VALUES | {"uis": {"jaeger": UIS["jaeger"]}})
    assert {who for who, _ in allowed(alone, "jaeger")} == {GATEWAY, "*"}


def test_others_are_let_in_by_name():
    callers = {"principals": ["cluster.local/ns/a/sa/b"], "peers": [{"podSelector": {}}]}
    alone = rendered(VALUES | {"uis": {"kiali": UIS["kiali"] | {"callers": callers}}})
    assert ("cluster.local/ns/a/sa/b", "20001") in allowed(alone, "kiali")
    network = one(alone, "NetworkPolicy", "authz-kiali")["spec"]
    assert network["ingress"][1]["from"] == callers["peers"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"uis": {"kiali": {"enabled": True}}}, "uis.kiali.host is needed"),
        ({"uis": {"kiali": {"enabled": True, "host": "a"}}}, "takes allowedGroups or allowedEmails"),
        ({"uis": {"kiali": UIS["kiali"]}, "oauth2Proxy": {"enabled": False}}, "takes oauth2Proxy.enabled"),
        ({"config": {}}, "signIn: jwt takes config.identityTokens"),
        (
            {"config": VALUES["config"] | {"authorizers": [OTHER | {"name": "ui-kiali"}]}},
            "ui-kiali is the chart's own",
        ),
        ({"uis": {"kiali": UIS["kiali"] | {"selector": {"": None}}}}, "/uis/kiali/selector"),
        ({"uis": {"grafana": UIS["grafana"] | {"adminGroups": ["a') || ('"]}}}, "/uis/grafana/adminGroups"),
        ({"uis": {"loki": {"enabled": True}}}, "loki"),
    ],
)
def test_what_would_leave_one_open_is_refused(values, said):
    with pytest.raises(Refused) as refused:
        rendered({**VALUES, **values})
    assert said in str(refused.value)


def test_a_login_that_is_there_will_do():
    session = {"oauth2Proxy": "http://oauth2-proxy.auth:4180", "cookieName": "s"}
    alone = rendered({"uis": {"session": session, "kiali": UIS["kiali"]}})
    [accept] = settings(alone)["authorizers"][0]["accept"]
    assert accept["session"] == session | {"allowedGroups": ["admins"]}


def test_grafana_is_told_to_believe_our_token_and_nobody_else():
    told = grafana_ini(VALUES)
    assert not told["auth.anonymous"].getboolean("enabled")
    assert told["auth.jwt"]["header_name"] == "x-auth-identity"
    assert json.loads(told["auth.jwt"]["expect_claims"]) == {
        "iss": "https://authz.example.com",
        "aud": "grafana",
    }
    assert "auth.proxy" not in told
    assert told["auth.jwt"]["role_attribute_path"] == "contains(groups[*], 'admins') && 'Admin' || 'Viewer'"


def test_grafana_can_be_told_in_plain_headers():
    ui = UIS["grafana"] | {"signIn": "proxy"}
    values = {"oauth2Proxy": LOGIN, "uis": {"grafana": ui}}
    told = grafana_ini(values)
    sent = settings(rendered(values))["authorizers"][0]["identityHeaders"]
    assert sent[told["auth.proxy"]["header_name"].lower()] == told["auth.proxy"]["header_property"]
    assert "auth.jwt" not in told


def test_a_post_to_prometheus_asks_and_writes_nothing(made):
    """Not its admin API nor its receivers, which other settings of its open below /api/v1/ too."""
    *posts, rest = one(made, "APIRule", "authz-prometheus")["spec"]["rules"]
    assert (rest["path"], rest["methods"]) == ("/*", ["GET", "HEAD"])
    assert {each["path"] for each in posts} == {
        f"/api/v1/{name}"
        for name in (
            "query",
            "query_range",
            "query_exemplars",
            "series",
            "labels",
            "format_query",
            "parse_query",
        )
    }
    assert all(each["methods"] == ["POST"] for each in posts)


@pytest.mark.parametrize(("said", "is_told"), [({}, True), ({"foreignServices": "Refuse"}, False)])
def test_notes_say_by_which_way_the_login_could_be_walked_round(said, is_told):
    found = notes(VALUES | {"config": VALUES["config"] | {"istio": said}})
    assert ("without their login" in found) is is_told


def test_notes_say_what_each_has_to_be_told():
    said = notes(VALUES)
    for ui in UIS.values():
        assert f"https://{ui['host']}/oauth2/callback" in said
    assert "view_only_mode: true" in said
