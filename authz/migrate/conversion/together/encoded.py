"""Paths sent with encoded characters: Oathkeeper decoded a path before it compared, templates do not.

`/items%3Adelete` was `/items:delete`. Now that is another path, and the rule behind it may ask for less.
"""

from collections.abc import Sequence
from urllib.parse import quote

from authz.istio import precedence
from authz.migrate.conversion.model.made import Made, Rule, literal
from authz.migrate.conversion.together import reserved
from authz.migrate.conversion.together.asking import asks_less
from authz.migrate.language.node import Undecided
from authz.migrate.paths import patterns
from authz.migrate.report.rows import About, Contrast

CODE = "encoded"


def tell(made: Sequence[Made], about: About) -> None:
    """For each rule that an encoded character leads away from: a row for the first that it leads to."""
    for one in made:
        if _is_guarded(one) and reserved.are_told(one.old.path):
            other = next((other for other in made if other is not one and _leads_to(other, one)), None)
            if other:
                _tell(one, other, about)


def _is_guarded(one: Made) -> bool:
    return one.old.by_oathkeeper and not one.is_public and not one.is_shut


def _leads_to(other: Made, one: Made) -> bool:
    if not other.old.by_oathkeeper or not asks_less(other, one):
        return False
    return bool(set(one.methods) & set(other.methods)) and _meet(one, other)


def _meet(one: Made, other: Made) -> bool:
    if any(precedence.overlaps(a.path, b.path) for a in Rule.of(one) for b in Rule.of(other)):
        return True
    first, second = one.old.path, other.old.path
    try:
        return patterns.overlap((first.text, first.strategy), (second.text, second.strategy)) is not None
    except Undecided:
        return True


def _tell(one: Made, other: Made, about: About) -> None:
    shown = quote(literal(one.templates[0]), safe="/%")
    message = (
        f"{shown} was decoded before it was compared; now a path is compared as it was sent, and "
        f"{other.old.named_beside(one.old)} takes this one, which lets others pass."
    )
    new = "noAuth" if other.is_public else ", ".join(other.old.handlers)
    witness = f"{next(name for name in one.methods if name in other.methods)} {shown}"
    contrast = Contrast(one.old.path.text, new, witness)
    about(one.old).widened(one.old.path_at, CODE, message, contrast)
