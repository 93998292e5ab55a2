"""What waits without a question of its own: rules that share an APIRule with one that is asked about.

A part of a host's rules alone could let requests pass to a rule they were never meant for. So could a
wildcard, as long as a host below it has no APIRule of its own.
"""

from collections.abc import Sequence

from authz.istio.hosts import below, is_wildcard
from authz.migrate.conversion.grouping import Group
from authz.migrate.report.rows import WAITS

AS_A_WHOLE = "as a whole"


def tell(groups: Sequence[Group]) -> None:
    """Adds a row to each document that waits for another's sake, and for theirs in turn."""
    while more := [(group, cause) for group in groups if (cause := _cause(group, groups))]:
        for group, cause in more:
            for ledger in group.ledgers:
                if not ledger.waits:
                    message = f"It waits with {cause}, for a host is converted as a whole."
                    ledger.kept(AS_A_WHOLE, message, new="not written yet", code=WAITS)


def _cause(group: Group, groups: Sequence[Group]) -> str:
    """What a document of it waits for that does not know yet."""
    if all(ledger.waits for ledger in group.ledgers):
        return ""
    held = [group]
    if is_wildcard(group.host):
        held += [one for one in groups if below(group.host, [one.host])]
    return next((str(ledger.origin) for one in held for ledger in one.ledgers if ledger.waits), "")
