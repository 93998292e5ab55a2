"""An APIRule that serves, while its mark or its Secret is gone: to prepare it again would take its route.

Pure. Neither says alone where it is on its way, so a person has to.
"""

from collections.abc import Iterator

from authz.controller.kinds import key
from authz.istio.apirule import APIRule
from authz.istio.migration import ROUTES, STAGE, Stage
from authz.migrate.stages.steps import Item
from authz.migrate.stages.surveyed import Survey, owner

_NO_KEPT = (
    "its annotation says {}, and Secret {}-migration with what stood before is gone: put that back, or, "
    "if it is at switch and will not go back, take the annotations {} and {} away"
)
_NO_MARK = (
    "its annotation is gone, as by a Replace, and it serves: put it back with "
    "`kubectl -n {} annotate apirule {} {}=switch {}={}`, and let nobody take it away"
)
_SERVES = "it serves its hosts already: there is nothing to migrate"


def problems(survey: Survey, wanted: APIRule, item: Item) -> Iterator[str]:
    """At most one. Who was interrupted at `prepare` or in the end of an undo has none: old routes stand."""
    there = survey.find("VirtualService", wanted.key)
    serves = there is not None and owner(there) == wanted.key
    kept, routes = item.kept, [key(one) for one in item.kept.routes]
    gone = not all(survey.find("VirtualService", one) for one in routes)
    if not kept.begun and item.marked not in ("", Stage.PREPARE):
        yield _NO_KEPT.format(item.marked, wanted.key, STAGE, ROUTES)
    elif not kept.begun and serves:
        yield _SERVES
    elif kept.begun and not kept.finished and not item.marked and (serves or gone):
        yield _NO_MARK.format(wanted.namespace, wanted.name, STAGE, ROUTES, ",".join(routes))
