"""Bars as SVG, in few enough lines to need no library."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LABEL, ROW, TOP = 760, 250, 26, 48
VALUE = 90  # room for the number behind the longest bar

OURS, THEIRS, TEXT = "#2f7d6d", "#b8b8b8", "#767676"  # legible on white and on black


@dataclass(frozen=True, slots=True)
class Bar:
    """`shown` stands behind it."""

    label: str
    value: float
    shown: str
    ours: bool = False


def bars(title: str, rows: Sequence[Bar]) -> str:
    """A picture of horizontal bars, as long as their values."""
    longest = max(row.value for row in rows)
    drawn = [_bar(index, row, row.value / longest) for index, row in enumerate(rows)]
    height = TOP + ROW * len(rows) + 8
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
    style = f'<g font-family="sans-serif" font-size="13" fill="{TEXT}">'
    heading = f'<text x="8" y="24" font-size="15" font-weight="bold">{escape(title)}</text>'
    return "\n".join(
        [opening, f"<title>{escape(title)}</title>", style, heading, *drawn, "</g>", "</svg>", ""]
    )


def _bar(index: int, row: Bar, share: float) -> str:
    top = TOP + ROW * index
    width = max(1.0, share * (WIDTH - LABEL - VALUE))
    colour = OURS if row.ours else THEIRS
    return (
        f'<text x="{LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(row.label)}</text>'
        f'<rect x="{LABEL}" y="{top}" width="{width:.1f}" height="{ROW - 7}" rx="2" fill="{colour}"/>'
        f'<text x="{LABEL + width + 6:.1f}" y="{top + 14}">{escape(row.shown)}</text>'
    )
