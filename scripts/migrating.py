"""The page about `authz migrate convert`: its tables from the code, its example converted when it is made."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from authz import documents, writing
from authz.migrate.conversion import rendering
from authz.migrate.conversion.convert import convert
from authz.migrate.conversion.model.choices import CODES
from authz.migrate.conversion.pipeline.errors import ERRORS
from authz.migrate.conversion.pipeline.handlers import HANDLERS
from authz.migrate.conversion.pipeline.mutators import MUTATORS
from authz.migrate.old.reading import read

TEMPLATE = Path(__file__).with_name("migrating.md")
EXAMPLE = Path(__file__).with_name("migrating.yaml")


def render() -> str:
    """The template with each `<!-- name -->` filled in."""
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, block in _blocks().items():
        text = text.replace(f"<!-- {name} -->\n", block)
    return text


def _blocks() -> Mapping[str, str]:
    old = EXAMPLE.read_text(encoding="utf-8")
    made = convert(read([("old.yaml", body) for body in documents.read(old)]))
    changes = rendering.markdown(made).partition("## What changes for callers\n\n")[2].partition("\n\n")[0]
    return {
        "handlers": _table("handler", {name: row.new for name, row in HANDLERS.items()}),
        "mutators": _table("mutator", {name: row.new for name, row in MUTATORS.items()}),
        "errors": _table("error handler", ERRORS),
        "codes": _table("`--accept`", CODES).replace("becomes", "means", 1),
        "old": _yaml(old),
        "apirules": _yaml(writing.write(made.apirules)),
        "configuration": _yaml(writing.write([made.config])),
        "changes": f"{changes}\n",
    }


def _table(name: str, rows: Mapping[str, str]) -> str:
    return _lines(
        [f"| {name} | becomes |", "| --- | --- |", *(f"| `{key}` | {text} |" for key, text in rows.items())]
    )


def _yaml(text: str) -> str:
    return f"```yaml\n{text}```\n"


def _lines(lines: Iterable[Any]) -> str:
    return "".join(f"{line}\n" for line in lines)
