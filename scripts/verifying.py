"""The page about `authz migrate verify`: its words, and each named change of the table behind it."""

from pathlib import Path

from authz.migrate.verification.changes import CHANGES

_PAGE = Path(__file__).with_suffix(".md")


def render() -> str:
    """The whole page."""
    rows = "".join(
        f"| {one.name} | {'; '.join(dict.fromkeys(map(str, one.kinds)))} | {one.text} |\n" for one in CHANGES
    )
    return _PAGE.read_text(encoding="utf-8").replace("<!-- changes -->\n", rows)
