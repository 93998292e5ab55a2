"""The real Prometheus: it reads our metrics, takes our alert rules, and answers what the dashboard asks."""

import json
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import yaml

from authz.controller.telemetry import GAUGES, Telemetry
from authz.local import certs, programs
from scripts import dashboard
from tests.server.test_run import Running, eventually, free_port, ready
from tests.server.test_service import ask
from tests.servers import PATIENCE_S

pytestmark = pytest.mark.slow

ALERTS = Path(__file__).parents[2] / "config" / "alerts" / "authz.yaml"
CASES = Path(__file__).with_name("alerts.yaml")
QUESTIONS = [(panel.title, expr) for panel in dashboard.PANELS for expr, _ in panel.questions]


class Prometheus:
    """Scrapes once a second."""

    def __init__(self, folder: Path, targets: dict[str, dict[str, str]]) -> None:
        """Each with the labels that whoever discovers it gives to what it says."""
        self.url = f"http://127.0.0.1:{free_port()}"
        found = [{"targets": [target], "labels": labels} for target, labels in targets.items()]
        settings = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": [{"job_name": "authz", "static_configs": found}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        command = [str(programs.get("prometheus")), f"--config.file={folder / 'prometheus.yml'}"]
        command += [f"--storage.tsdb.path={folder / 'data'}"]
        command += [f"--web.listen-address={self.url.removeprefix('http://')}"]
        with (folder / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, expr: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expr}).json()
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        groups = httpx.get(f"{self.url}/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """It scrapes an authorizer with traffic and a dead issuer, and one of two workers with a certificate."""
    busy, careful = (Running(tmp_path_factory.mktemp(name)) for name in ("busy", "careful"))
    with socket.create_server(("127.0.0.1", 0)) as gone:
        uri = f"http://127.0.0.1:{gone.getsockname()[1]}/keys"
    jwt = {"issuer": "https://idp.example.com", "audiences": ["shop"], "jwksUri": uri}
    busy.configure(authorizers=[{"name": "idp", "accept": [{"jwt": jwt}]}])
    rule = yaml.safe_load(busy.rules.read_text())
    rule["spec"]["rules"].append(
        {"path": "/orders", "methods": ["POST"], "extAuth": {"authorizers": ["idp"]}}
    )
    busy.rules.write_text(yaml.safe_dump(rule))
    certs.issue(careful.config.parent, {"server": "spiffe://cluster.local/ns/authz/sa/authz"})
    tls = {
        f"{kind}File": str(careful.config.parent / f"server.{end}")
        for kind, end in (("cert", "pem"), ("key", "key"))
    }
    careful.configure({"tls": tls}, workers=2)
    started = []
    try:
        for one in (busy, careful):
            one.start()
            started.append(one.process)
            eventually(partial(ready, one))
        with controller() as leads:
            targets: dict[str, dict[str, str]] = {each: {} for each in (busy.admin, careful.admin, leads)}
            made = Prometheus(tmp_path_factory.mktemp("prometheus"), targets)
            started.append(made.process)
            eventually(made.ready)
            _trouble(busy, made)
            yield made
    finally:
        for process in started:
            process.terminate()
            process.wait(PATIENCE_S)


@contextmanager
def controller() -> Iterator[str]:
    """The page of one that leads, and works whenever somebody looks."""
    telemetry = Telemetry()
    telemetry.show(lambda: {name: {"apirules": 1.0} for name in GAUGES}, {("patch", "apirules", "200"): 1})
    for name, state in (("default/shop", "Ready"), ("default/orders", "Error")):
        telemetry.state(name, state)

    def page() -> bytes:
        telemetry.worked(0.001, 0.01)
        return telemetry.page()

    with served(page) as address:
        yield address


@contextmanager
def served(page: Callable[[], bytes]) -> Iterator[str]:
    """Metrics, and the address where they are."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=1.0.0")
            self.end_headers()
            self.wfile.write(page())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _trouble(busy: Running, made: Prometheus) -> None:
    """Decisions of several kinds, and a controller that works, while somebody looks."""

    def seen() -> bool:
        busy.check(ask("/"))
        busy.check(ask("/", host="other"))
        works = made.ask("rate(authz_controller_queue_seconds_count[10s]) > 0")
        return bool(works) and len(made.ask("rate(authz_checks_total[10s]) > 0")) >= 2

    eventually(seen)


def test_the_alert_rules_say_what_they_are_for_and_keep_quiet_else():
    promtool = programs.get("promtool")
    tried = subprocess.run([promtool, "test", "rules", CASES], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    alerts = {
        rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    }
    cases = {
        case["alertname"]
        for test in yaml.safe_load(CASES.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert cases == alerts


def test_there_is_something_to_do_for_each_alert():
    page = (ALERTS.parents[2] / "docs" / "observability.md").read_text()
    told = {
        name.strip("`…")
        for row in re.findall(r"^\| (`Authz.*?) \|", page, re.MULTILINE)
        for name in row.split(", ")
    }
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    assert {
        rule["alert"] for rule in rules if not any(rule["alert"].endswith(name) for name in told)
    } == set()


def test_prometheus_reads_every_page(prometheus):
    assert [row["value"][1] for row in prometheus.ask("up")] == ["1", "1", "1"]
    assert {row["metric"]["kind"] for row in prometheus.ask("authz_source_left_seconds")} == {"jwks"}


def test_prometheus_takes_the_alert_rules_and_sees_the_dead_issuer(prometheus):
    rules = {rule["name"]: rule for rule in prometheus.rules()}
    assert {rule["health"] for rule in rules.values()} == {"ok"}
    assert rules["AuthzKeysStaleSoon"]["state"] == "pending"
    assert rules["AuthzPolicyProblems"]["state"] == "inactive"


@pytest.mark.parametrize(("title", "expr"), QUESTIONS, ids=[f"{title}: {expr}" for title, expr in QUESTIONS])
def test_what_the_dashboard_asks_has_an_answer(prometheus, title, expr):
    assert prometheus.ask(expr.replace("$__rate_interval", "10s")), title


def test_what_is_asked_and_alerted_on_is_a_metric_that_there_is(prometheus):
    text = ALERTS.read_text() + dashboard.render()
    named = set(re.findall(r"\bauthz_[a-z0-9_]+", text))
    known = set(httpx.get(f"{prometheus.url}/api/v1/label/__name__/values").json()["data"])
    assert named <= known


def test_the_dashboard_is_one_that_grafana_reads():
    made = json.loads(dashboard.render())
    assert [panel["title"] for panel in made["panels"]] == [panel.title for panel in dashboard.PANELS]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in made["panels"]}
    assert len(places) == len(dashboard.PANELS)
