"""The Grafana dashboard as data: what each panel asks, and in which unit."""

import json
from dataclasses import dataclass
from typing import Any

_WIDTH, _HEIGHT = 8, 8  # of a panel; a row of Grafana's grid is 24 wide
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WINDOW = "[$__rate_interval]"
_FAILING = 'reason=~"SOURCE_UNAVAILABLE|NOT_READY|INTERNAL_ERROR"'


@dataclass(frozen=True)
class Panel:
    """`questions` are expressions with the names of their lines."""

    title: str
    about: str
    unit: str
    questions: tuple[tuple[str, str], ...]


PANELS = (
    Panel(
        "Decisions",
        "By reason, as in the answers and the log.",
        "reqps",
        ((f"sum by (reason) (rate(authz_checks_total{_WINDOW}))", "{{reason}}"),),
    ),
    Panel(
        "Not decided",
        "The share of checks answered with 503: a source, a replica or the authorizer itself is at fault.",
        "percentunit",
        (
            (
                (
                    f"(sum(rate(authz_checks_total{{{_FAILING}}}{_WINDOW})) or vector(0))"
                    f" / sum(rate(authz_checks_total{_WINDOW}))"
                ),
                "503",
            ),
        ),
    ),
    Panel(
        "Time to decide",
        "Above a millisecond somebody waits for a source.",
        "s",
        tuple(
            (
                f"histogram_quantile({share}, sum by (le) (rate(authz_check_seconds_bucket{_WINDOW})))",
                name,
            )
            for share, name in ((0.5, "p50"), (0.99, "p99"))
        ),
    ),
    Panel(
        "Refused, by rule",
        "The ten rules that refuse most.",
        "reqps",
        (
            (
                (
                    'topk(10, sum by (rule, reason) (rate(authz_checks_total{reason!~"AUTHORIZED|PUBLIC"}'
                    f"{_WINDOW})))"
                ),
                "{{rule}} {{reason}}",
            ),
        ),
    ),
    Panel(
        "Checks under way, and connections",
        "They grow when a source is slow or replicas are few.",
        "short",
        (
            ("sum(authz_checks_in_flight)", "checks"),
            ("sum(authz_h2_connections)", "connections"),
        ),
    ),
    Panel(
        "Calls to identity providers",
        "failed: no good answer; crowded and shut: callers turned away.",
        "reqps",
        (
            (
                f"sum by (source, kind, outcome) (rate(authz_source_calls_total{_WINDOW}))",
                "{{outcome}} {{kind}} {{source}}",
            ),
        ),
    ),
    Panel(
        "Keys serve on for",
        "If the identity provider stays away from now on.",
        "s",
        (("min by (source, kind) (authz_source_left_seconds)", "{{kind}} {{source}}"),),
    ),
    Panel(
        "Certificates end in",
        "Of the gRPC port.",
        "s",
        (("min by (instance) (authz_certificate_left_seconds)", "{{instance}}"),),
    ),
    Panel(
        "Rules, mistakes and restarts",
        "What has a mistake keeps its last good version.",
        "short",
        (
            ("max(authz_policy_rules)", "rules"),
            ("max(authz_policy_problems)", "mistakes"),
            ("sum(authz_worker_restarts_total)", "restarts of workers"),
        ),
    ),
    Panel(
        "APIRules, by state",
        "As their authors see them; authz_apirule_not_ready names those that are not ready.",
        "short",
        (("sum by (state) (authz_apirules)", "{{state}}"),),
    ),
    Panel(
        "Controller",
        "One leads. What fails is tried again; the APIRule's status says why.",
        "short",
        (
            ("sum(authz_controller_leads)", "leads"),
            ("sum(authz_controller_queue_depth)", "to do"),
            ("sum(authz_controller_queue_failing)", "failing"),
        ),
    ),
    Panel(
        "Time to bring an APIRule into the cluster",
        "Waiting comes before it. Both grow when the API server is slow.",
        "s",
        tuple(
            (
                (
                    "histogram_quantile(0.99, sum by (le) "
                    f"(rate(authz_controller_{name}_seconds_bucket{_WINDOW})))"
                ),
                f"p99 {legend}",
            )
            for name, legend in (("queue", "waiting"), ("reconcile", "writing"))
        ),
    ),
)


def render() -> str:
    """JSON for Grafana to import, or for its sidecar."""
    dashboard = {
        "uid": "authz",
        "title": "authz",
        "tags": ["authz"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
            ]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }
    return json.dumps(dashboard, indent=1) + "\n"


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, 24 // _WIDTH)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "gridPos": {"h": _HEIGHT, "w": _WIDTH, "x": column * _WIDTH, "y": row * _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": expr, "legendFormat": legend}
            for index, (expr, legend) in enumerate(panel.questions)
        ],
    }
