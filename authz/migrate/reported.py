"""The report of a conversion, read back: by its rows `verify` explains what it finds."""

import json
from typing import Any

from authz.migrate.report import Finding, Verdict

_FIELDS = frozenset(Finding.__dataclass_fields__)


def read(text: str) -> list[Finding]:
    """Of `report.json`. Raises ValueError for anything else."""
    try:
        rows = json.loads(text)["findings"]
        return [_finding(row) for row in rows]
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("it is no report of `authz migrate convert`") from error


def _finding(row: dict[str, Any]) -> Finding:
    said = {name: value for name, value in row.items() if name in _FIELDS}
    return Finding(**{"index": None, **said, "verdict": Verdict(said["verdict"])})
