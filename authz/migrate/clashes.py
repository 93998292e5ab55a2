"""Headers that tell a workload who calls in one rule, and that another rule sets for everyone.

A workload could not know one from the other, so that no rule may set a header which may carry an identity.
"""

from collections.abc import Iterable

from authz.istio import headers
from authz.migrate.judging import Judged


def tell(judged: Iterable[Judged]) -> None:
    """Adds the questions."""
    rules = [(one.ledger, made) for one in judged for made in one.made]
    identities = {name: made.old.origin for _, made in rules for name in made.added.claims}
    for ledger, made in rules:
        for name in made.added.headers:
            if (owner := identities.get(headers.spelling(name))) is not None:
                ledger.index = made.old.index
                question = (
                    f"Which other header can say this? In {owner}, {name} tells who the caller is, and then "
                    "no rule may set it for everyone."
                )
                at = f"{made.old.at}.mutators".removeprefix(".")
                ledger.ask(
                    at, question, f"edit {at}: rename {name}", old=made.added.headers[name], code="identity"
                )
                ledger.index = None
