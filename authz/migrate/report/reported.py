"""The report of a conversion, read back: by its rows `verify` explains what it finds."""

import json
from collections.abc import Iterable
from typing import Any

from authz.istio.apirule import APIRule
from authz.migrate.report import bound
from authz.migrate.report.rows import Finding, Verdict

_FIELDS = frozenset(Finding.__dataclass_fields__)


def read(text: str, rules: Iterable[APIRule]) -> list[Finding]:
    """Of `report.json`, which is to be about these rules. Raises ValueError for anything else."""
    try:
        report = json.loads(text)
        others = bound.others(report["apirules"], bound.digests(rules))
        found = [_finding(row) for row in report["findings"]]
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("it is no report of `authz migrate convert`") from error
    if others:
        raise ValueError(f"it is about another {others[0]}: convert again, or go without the report")
    return found


def _finding(row: dict[str, Any]) -> Finding:
    said = {name: value for name, value in row.items() if name in _FIELDS}
    return Finding(**{"index": None, **said, "verdict": Verdict(said["verdict"])})
