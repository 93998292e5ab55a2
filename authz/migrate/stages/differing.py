"""The diff of every object that steps would write, for a person who looks before anything happens.

Pure. What may be secret is not shown: it is read on terminals, and in logs of pipelines. What the controller
makes of an APIRule is its own to show: `authz render` does.
"""

import difflib
from collections.abc import Iterable, Iterator

from authz import writing
from authz.controller.kinds import APIRULES, Document, key
from authz.migrate.stages import cluster, saved
from authz.migrate.stages.saved import KYMAS
from authz.migrate.stages.steps import Step
from authz.migrate.stages.surveyed import Survey
from authz.migrate.stages.writes import Mark, Put, Remove, Still, Write

_UNSHOWN = "(not shown)"
_WHOLE = frozenset({*KYMAS, "kubectl.kubernetes.io/last-applied-configuration"})


def lines(survey: Survey, steps: Iterable[Step]) -> Iterator[str]:
    """In the order in which they would be written; each after those before it."""
    now: dict[tuple[str, str], Document | None] = {}
    for step in steps:
        yield f"# {step.what}"
        for one in step.writes:
            name = _name(one)
            before = now[name] if name in now else _found(survey, *name)
            after = now[name] = _after(one, before)
            yield from _diff(f"{name[0]} {name[1]}", before, after)


def _name(one: Write) -> tuple[str, str]:
    match one:
        case Put(kind, document) | Still(kind, document):
            return kind.name, key(document)
        case Remove(kind, name):
            return kind.name, name
        case Mark(name):
            return "APIRule", name


def _found(survey: Survey, kind: str, name: str) -> Document | None:
    found = survey.find(kind, name)
    return _shown(found) if found else None


def _after(one: Write, before: Document | None) -> Document | None:
    match one:
        case Put(_, document):
            return cluster.changed(document, before or {"metadata": {}})
        case Still():
            return before
        case Remove():
            return None
        case Mark(_, annotations) if before:
            marks = saved.annotations(before) | dict(annotations)
            kept = {name: text for name, text in marks.items() if text is not None}
            return before | {"metadata": before["metadata"] | {"annotations": kept}}
        case Mark():
            return None


def _shown(document: Document) -> Document:
    """Without the API server's own fields."""
    data = {"data": document["data"]} if "data" in document else {}
    shown = saved.plain(document) | data
    return shown if "spec" in document else {name: part for name, part in shown.items() if name != "spec"}


def _diff(title: str, before: Document | None, after: Document | None) -> Iterator[str]:
    texts = [writing.write([_open(one)]).splitlines() if one else [] for one in (before, after)]
    yield from difflib.unified_diff(texts[0], texts[1], f"{title} now", f"{title} then", lineterm="")


def _open(document: Document) -> Document:
    """Without what may be secret: settings of Oathkeeper's handlers, wherever they stand."""
    match document["kind"]:
        case saved.KEPT.name:
            return saved.shown(document)
        case saved.RULES.name:
            return _unmarked(document) | {"spec": {"match": document["spec"].get("match")}}
        case APIRULES.name:
            return _unmarked(document)
        case _:
            return document


def _unmarked(document: Document) -> Document:
    """Of annotations that hold a whole old object the names alone."""
    found = saved.annotations(document)
    marks = found | dict.fromkeys(found.keys() & _WHOLE, _UNSHOWN)
    return document | {"metadata": document["metadata"] | ({"annotations": marks} if marks else {})}
