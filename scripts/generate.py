"""Writes the files that are made from the code, so that nothing is typed twice.

A test holds each of them against the code; `make fix` runs this.
"""

from collections.abc import Mapping
from pathlib import Path

from authz import example, writing
from authz.core.reason import Reason
from authz.istio import crd
from scripts import chart, dashboard, migrating, reference, verifying

ROOT = Path(__file__).parent.parent

_ALERTS = ROOT / "config" / "alerts" / "authz.yaml"

_REASONS = """# Why a request was allowed or refused

Every answer of the authorizer bears one of these reasons: in the body (`reason`), in the log line, as a
metric label, and in `authz explain`. The table is generated from `authz/core/reason.py`.

| reason | status | RFC 6750 error | meaning |
|---|---|---|---|
"""

_CRD = """# What the API server knows of an APIRule: kubectl apply --server-side -f config/crd/apirules.yaml
# Made from authz/istio/schema.py by `make fix`.
"""


def generated() -> Mapping[Path, str]:
    """Every generated file and what it must hold."""
    rows = "".join(
        f"| `{reason.name}` | {reason.status} | {reason.error} | {reason.text} |\n" for reason in Reason
    )
    board = dashboard.render()
    definition = _CRD + writing.write([crd.build()])
    return {
        chart.CHART / "crds" / "apirules.yaml": definition,
        chart.CHART / "values.schema.json": chart.schema(),
        # Helm reads no file outside of a chart.
        chart.CHART / "files" / "alerts" / "authz.yaml": _ALERTS.read_text(encoding="utf-8"),
        chart.CHART / "files" / "dashboards" / "authz.json": board,
        ROOT / "config" / "authz.yaml": example.render(),
        ROOT / "config" / "crd" / "apirules.yaml": definition,
        ROOT / "config" / "dashboards" / "authz.json": board,
        ROOT / "docs" / "apirule.md": reference.render(),
        ROOT / "docs" / "migrate-convert.md": migrating.render(),
        ROOT / "docs" / "migrate-verify.md": verifying.render(),
        ROOT / "docs" / "reasons.md": _REASONS + rows,
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
