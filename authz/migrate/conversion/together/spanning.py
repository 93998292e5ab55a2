"""A host's pattern that takes slashes, `<.*>`, takes a part of the path too: Oathkeeper compared one text.

So `http://<.*>/admin` had `/x/admin` of every host, and where another rule had it as well, nobody passed.
"""

from collections.abc import Iterator, Sequence

from authz.istio import precedence
from authz.migrate.conversion.model.made import Made, Rule, literal
from authz.migrate.conversion.together.asking import asks_less
from authz.migrate.old.rule import Pattern
from authz.migrate.paths import patterns
from authz.migrate.paths.patterns import Undecided
from authz.migrate.report.rows import About, Contrast


def tell(host: str, made: Sequence[Made], about: About) -> None:
    """For each such rule a row about what it lacks now, and one for each other that decides in its place."""
    name = host.replace("*", "x", 1)
    for one in made:
        if found := next(_spanning(name, one), None):
            pattern, path = found
            message = f"{pattern.text} takes slashes too: {path} matched, and none of the new paths does."
            shown = Contrast(pattern.text, one.templates, f"{one.methods[0]} {path}")
            about(one.old).narrowed(one.old.path_at, "paths", message, shown)
            for other in made:
                if other is not one and not _meet(one, other):
                    _tell_other(name, pattern, (one, other), about)


def _spanning(name: str, one: Made) -> Iterator[tuple[Pattern, str]]:
    """Each pattern of its hosts that takes a slash, with a path that shows it."""
    for pattern in one.old.hosts:
        for begun in ("/x", f"/x.{name}") if "<" in pattern.text and one.templates else ():
            path = begun + literal(one.templates[0])
            if _takes(pattern, one, name + path) and not _has(one, path):
                yield pattern, path


def _takes(host: Pattern, one: Made, text: str) -> bool:
    try:
        return patterns.matches(host.text + one.old.path.text, host.strategy, text)
    except Undecided:
        return True


def _has(one: Made, path: str) -> bool:
    return patterns.matches(one.old.path.text, one.old.path.strategy, path)


def _meet(one: Made, other: Made) -> bool:
    """They do anyway, and that is told where the order is."""
    return any(precedence.overlaps(a.path, b.path) for a in Rule.of(one) for b in Rule.of(other))


def _tell_other(name: str, host: Pattern, rules: tuple[Made, Made], about: About) -> None:
    one, other = rules
    shared = [method for method in one.methods if method in other.methods]
    path = patterns.overlap_at(name, other.old.path.text, host, one.old.path.text) if shared else None
    if path is None:
        return
    named = one.old.named_beside(other.old)
    message = f"Oathkeeper answered 500 for {path}, as {host.text} takes slashes and {named} matched too."
    at, ledger = other.old.path_at, about(other.old)
    ledger.kept(at, message, new="this rule decides", code="spanning")
    if asks_less(other, one):
        new = "noAuth" if other.is_public else ", ".join(other.old.handlers)
        shown = Contrast(other.old.path.text, new, f"{shared[0]} {path}")
        ledger.widened(at, "overlap", f"{message} Now this rule decides, which asks less.", shown)
