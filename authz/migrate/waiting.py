"""What waits without a question of its own: rules that share an APIRule with one that is asked about.

A part of a host's rules alone could let requests pass to a rule they were never meant for.
"""

from collections.abc import Iterable

from authz.migrate.grouping import Group
from authz.migrate.report import WAITS

AS_A_WHOLE = "as a whole"


def tell(groups: Iterable[Group]) -> None:
    """Adds a row to each document of a group that is open for another's sake."""
    for group in groups:
        asked = [ledger.origin for ledger in group.ledgers if ledger.is_open]
        for ledger in group.ledgers:
            if asked and not ledger.waits:
                message = f"It waits with {asked[0]}, for a host is converted as a whole."
                ledger.kept(AS_A_WHOLE, message, new="not written yet", code=WAITS)
