"""The report: Markdown that one can hand to a colleague, JSON for tools.

What waits for a person comes first, then what changes for callers, then every object field by field.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from itertools import groupby
from typing import Any

from authz.migrate.conversion.convert import Conversion
from authz.migrate.report import bound
from authz.migrate.report.rows import Finding, Verdict
from authz.migrate.verification.changes import CHANGES

EXAMPLES_MAX = 8  # objects named for one question; the JSON has all

_COLUMNS = tuple(column.name for column in fields(Finding))
_MEANINGS = {
    Verdict.KEPT: "means what it meant",
    Verdict.NARROWED: "something that passed, or was sent, no longer is",
    Verdict.WIDENED: "something passes that did not, and somebody has accepted that",
    Verdict.DECISION: "waits for a person: the object is not written yet",
}


def markdown(conversion: Conversion, problems: Iterable[str] = ()) -> str:
    """Ends with a line feed."""
    blocks = [
        *_summary(conversion),
        *_unread(list(problems)),
        *_decisions(conversion.findings),
        *_differences(conversion.findings),
        *_of_all_rules(),
        *_mounts(conversion),
        *_objects(conversion),
    ]
    return "\n".join(blocks) + "\n"


def as_json(conversion: Conversion, problems: Iterable[str] = ()) -> str:
    """One object: what was made of what, every row, and what waits."""
    pairs = [
        {
            "object": str(pair.old.origin),
            "rule": pair.old.index,
            "apirule": pair.apirule,
            "rules": pair.indices,
        }
        for pair in conversion.pairs
    ]
    said = {
        "summary": _counts(conversion) | {"verdicts": _verdicts(conversion.findings)},
        "problems": list(problems),
        "open": list(conversion.open),
        "apirules": {
            one["metadata"]["namespace"] + "/" + one["metadata"]["name"]: bound.digest_of(one)
            for one in conversion.apirules
        },
        "rules": pairs,
        "secrets": [asdict(secret) for secret in conversion.secrets],
        "findings": [_row(finding) for finding in conversion.findings],
    }
    return "{" + ",\n".join(f"{json.dumps(name)}: {_lines(value)}" for name, value in said.items()) + "}\n"


def line(conversion: Conversion) -> str:
    """The outcome in one line, for a terminal."""
    counts, verdicts = _counts(conversion), _verdicts(conversion.findings)
    questions = len(_questions(conversion.findings))
    return (
        f"{counts['rules']:,} old rules, {counts['converted']:,} converted without a hand "
        f"({_percent(counts)}); {questions} {'question' if questions == 1 else 'questions'} about "
        f"{counts['waiting']:,} rules; {verdicts.get('narrowed', 0):,} narrowed, "
        f"{verdicts.get('widened', 0):,} widened"
    )


def _counts(conversion: Conversion) -> dict[str, int]:
    """A rule is converted when all is written of it; what nobody may use is left out on purpose."""
    rules = {id(pair.old): str(pair.old.origin) for pair in conversion.pairs}
    waiting = sum(map(set(conversion.open).__contains__, rules.values()))
    return {
        "rules": len(rules),
        "converted": len(rules) - waiting,
        "waiting": waiting,
        "apirules": len(conversion.apirules),
        "authorizers": len(conversion.config.get("authorizers", ())),
    }


def _percent(counts: Mapping[str, int]) -> str:
    return f"{100 * counts['converted'] / counts['rules']:.1f} %" if counts["rules"] else "nothing to do"


def _verdicts(findings: Iterable[Finding]) -> dict[str, int]:
    return dict(Counter(finding.verdict.value for finding in findings))


def _summary(conversion: Conversion) -> Iterator[str]:
    counts, verdicts = _counts(conversion), _verdicts(conversion.findings)
    yield from ("# What becomes of your rules", "", f"{line(conversion)}.", "")
    yield f"Written: {counts['apirules']:,} APIRules; authorizers for them: {counts['authorizers']:,}."
    yield from ("", "| verdict | rows | |", "| --- | ---: | --- |")
    yield from (f"| {one.value} | {verdicts.get(one.value, 0):,} | {_MEANINGS[one]} |" for one in Verdict)
    yield ""


def _unread(problems: list[str]) -> Iterator[str]:
    if problems:
        yield from ("## Not read", "", *(f"- {_plain(problem)}" for problem in problems), "")


def _questions(findings: Iterable[Finding]) -> dict[tuple[str, str], list[Finding]]:
    asked: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        if finding.verdict is Verdict.DECISION:
            asked.setdefault((finding.message, finding.answer), []).append(finding)
    return asked


def _decisions(findings: Iterable[Finding]) -> Iterator[str]:
    yield from ("## Needs a decision", "")
    asked = _questions(findings)
    if not asked:
        yield from ("Nothing. Everything that was read has been converted.", "")
        return
    yield from ("Each question once, with what answers it; convert again with the answers.", "")
    for number, ((message, answer), about) in enumerate(asked.items(), 1):
        yield f"{number}. **{_plain(message)}**  "
        yield f"   Answer: `{answer}`  "
        if witness := next((one.witness for one in about if one.witness), ""):
            yield f"   For example: `{witness}`  "
        yield f"   About: {_named(about)}"
        yield ""


def _differences(findings: Iterable[Finding]) -> Iterator[str]:
    """Each kind of difference once."""
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        if finding.verdict in (Verdict.NARROWED, Verdict.WIDENED):
            kinds.setdefault((finding.verdict.value, finding.code), []).append(finding)
    yield from ("## What changes for callers", "")
    if not kinds:
        yield from ("No rule differs by itself.", "")
        return
    yield from ("| | what | message | for example | rules |", "| --- | --- | --- | --- | ---: |")
    for (verdict, code), about in sorted(kinds.items()):
        first = about[0]
        example = f"`{first.witness}`" if first.witness else f"{first.object}, {first.field}"
        yield f"| {verdict} | {code} | {_cell(first.message)} | {_cell(example)} | {len(about):,} |"
    yield ""


def _of_all_rules() -> Iterator[str]:
    """What `verify` knows by name, whatever the rule."""
    yield from ("Besides, of whatever rule:", "")
    yield from (f"- {change.name}: {_plain(change.text)}" for change in CHANGES)
    yield ""


def _mounts(conversion: Conversion) -> Iterator[str]:
    if conversion.secrets:
        yield from ("## Secrets to mount", "", "Their values are in no file that was written here.", "")
        yield from ("| file | holds |", "| --- | --- |")
        yield from (f"| `{secret.path}` | {_cell(secret.what)} |" for secret in conversion.secrets)
        yield ""
    if "identityTokens" in conversion.config:
        keys = ", ".join(f"`{key}`" for key in conversion.config["identityTokens"]["keys"])
        yield from (
            f"Keys that sign identity tokens go to {keys}: `openssl ecparam -name prime256v1 -genkey`.",
            "",
        )
    if conversion.clients:
        yield from (
            f"Clients of Hydra: {len(conversion.clients):,}, in `clients.json` as RFC 7591 has it.",
            "",
        )


def _objects(conversion: Conversion) -> Iterator[str]:
    yield from ("## Every object, field by field", "")
    for name, group in groupby(conversion.findings, lambda finding: finding.object):
        rows = list(group)
        state = "waits for a decision" if name in conversion.open else "done"
        yield from (f"### {name}: {state}", "", f"From `{rows[0].file}`." if rows[0].file else "", "")
        yield from ("| field | verdict | before | now | |", "| --- | --- | --- | --- | --- |")
        yield from dict.fromkeys(map(_line, rows))  # what rules share is said once
        yield ""


def _line(finding: Finding) -> str:
    verdict = finding.verdict.value if finding.verdict is Verdict.KEPT else f"**{finding.verdict.value}**"
    said = finding.message + (f" Answer: `{finding.answer}`" if finding.answer else "")
    cells = [f"`{finding.field}`", verdict, _code(finding.old), _code(finding.new), said]
    return f"| {' | '.join(map(_cell, cells))} |"


def _named(about: list[Finding]) -> str:
    """Where they stand; the first few."""
    places = list(dict.fromkeys(f"{one.object} ({one.field})" for one in about))
    more = f" and {len(places) - EXAMPLES_MAX:,} more" if len(places) > EXAMPLES_MAX else ""
    return ", ".join(places[:EXAMPLES_MAX]) + more


def _code(value: str) -> str:
    return f"`{value}`" if value else ""


def _cell(value: str) -> str:
    return _plain(value).replace("|", "\\|")


def _plain(value: str) -> str:
    return " ".join(value.split())


def _row(finding: Finding) -> dict[str, Any]:
    return {name: value for name in _COLUMNS if (value := getattr(finding, name)) not in ("", None)}


def _lines(value: Any) -> str:
    """A list has a line for each of its members, so that two reports can be compared."""
    if not isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return "[" + ",".join(f"\n {json.dumps(one, ensure_ascii=False)}" for one in value) + "]"
