"""Writes the files that are made from the code, so that nothing is typed twice.

A test holds each of them against the code; `make fix` runs this.
"""

from collections.abc import Mapping
from pathlib import Path

from authz import example
from authz.core.reason import Reason

ROOT = Path(__file__).parent.parent

_REASONS = """# Why a request was allowed or refused

Every answer of the authorizer bears one of these reasons: in the body (`reason`), in the log line, as a
metric label, and in `authz explain`. The table is generated from `authz/core/reason.py`.

| reason | status | RFC 6750 error | meaning |
|---|---|---|---|
"""


def generated() -> Mapping[Path, str]:
    """Every generated file and what it must hold."""
    rows = "".join(
        f"| `{reason.name}` | {reason.status} | {reason.error} | {reason.text} |\n" for reason in Reason
    )
    return {
        ROOT / "config" / "authz.yaml": example.render(),
        ROOT / "docs" / "reasons.md": _REASONS + rows,
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
