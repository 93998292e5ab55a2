"""Random old path patterns: read to the letter or refused, and never made wider.

Where Envoy's own engine takes a pattern, it and the automaton must take the same paths.
"""

import re2

from authz.core import path as paths
from authz.migrate.old.rule import Strategy
from authz.migrate.paths import patterns

STRATEGIES: tuple[Strategy, ...] = ("regex", "oathkeeper", "glob")
OPTIONS = re2.Options()
OPTIONS.log_errors = False


def one(data: bytes) -> None:
    """The first byte chooses the strategy."""
    strategy, text = STRATEGIES[data[0] % 3] if data else "regex", data[1:].decode("latin-1")
    try:
        converted = patterns.convert(text, strategy)
        found = patterns.witnesses(text, strategy, 20)
    except patterns.Undecided as undecided:
        if "templates were found" in str(undecided):
            raise
        return
    engine = re2.compile(text, options=OPTIONS) if strategy == "regex" else None
    for witness in found:
        taken = any(paths.parse(template).matches(witness.path) for template in converted.templates)
        if taken and not witness.inside:
            raise AssertionError(witness)
        if (
            witness.inside
            and converted.exact
            and not taken
            and (strategy == "regex" or "%" not in witness.path)
        ):
            raise AssertionError(witness)
        if engine and bool(engine.fullmatch(witness.path)) != witness.inside:
            raise AssertionError(witness)
