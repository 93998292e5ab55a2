"""What the engines themselves answered, `engines.json`: ours answers the same.

Asked were ory/ladon 1.1.0 with dlclark/regexp2 1.2.0, as Oathkeeper 0.40.9 calls it, and gobwas/glob 0.2.3
with `.` and `/` as separators.
"""

import json
from pathlib import Path

import pytest

from authz.migrate.paths import patterns

ROWS = json.loads((Path(__file__).parent / "engines.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['strategy']} {row['pattern']}")
def test_a_pattern_takes_what_oathkeepers_engine_takes(row):
    texts = row["taken"] + row["left"]
    taken = [text for text in texts if patterns.matches(row["pattern"], row["strategy"], text)]
    assert taken == row["taken"]


@pytest.mark.parametrize(
    "pattern",
    [
        "/<*.{a,*}>",
        "/<{,a}>",
        "/<{}>",
        "/<***>",
        "/<{a{b}}>",
        "/<{[ab]}>",
        "/<a{>b",
        "/<*><**>",
        "/<*?>",
        "/<?*>",
    ],
)
def test_what_the_glob_engine_gets_wrong_is_undecided(pattern):
    with pytest.raises(patterns.Undecided):
        patterns.convert(pattern, "glob")


@pytest.mark.parametrize("pattern", ["/<(a?)+?>", "/<(|a)*?b>", "/<(a*)??>"])
def test_what_the_regex_engine_gets_wrong_is_undecided(pattern):
    with pytest.raises(patterns.Undecided):
        patterns.convert(pattern, "oathkeeper")
