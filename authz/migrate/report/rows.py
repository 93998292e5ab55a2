"""What became of each old rule and field: the rows that a person reads, and that `verify` explains by.

Nothing is dropped in silence: what no row speaks of gets a row that says so.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from authz.migrate.old.rule import Old, Origin
from authz.migrate.report import masking

UNKNOWN = "unknown"  # the code of a field that nobody reads
WAITS = "waits"  # the code of a row that says: it is written together with others
# Kubernetes' own, and what others wrote about the object: neither says who may pass.
_OTHERS = ("metadata.", "status", "apiVersion", "kind", "id")


class Verdict(StrEnum):
    """From the harmless to what waits for a person."""

    KEPT = "kept"
    NARROWED = "narrowed"
    WIDENED = "widened"
    DECISION = "decision"


@dataclass(frozen=True, slots=True)
class Finding:
    """One row. `object` is like `APIRule shop/orders`, `index` the rule's, None for the object as a whole.

    `field` is where it stands in the old document, `old` and `new` what is said there and here. A
    difference has a `witness` where there can be one: `GET /path`, old and new disagree about it.
    `answer` is the flag or the edit that settles a decision; `code` names the kind of difference, and
    is what `--accept widened:CODE` takes.
    """

    object: str
    index: int | None
    field: str
    verdict: Verdict
    message: str
    old: str = ""
    new: str = ""
    witness: str = ""
    answer: str = ""
    code: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Contrast:
    """What a difference is between: what was said and what is now, and a request that shows it."""

    old: Any = ""
    new: Any = ""
    witness: str = ""

    @property
    def columns(self) -> dict[str, str]:
        """As a row has them."""
        return {"old": text(self.old), "new": text(self.new), "witness": self.witness}


NO_CONTRAST = Contrast()


@dataclass(frozen=True, slots=True)
class Ledger:
    """The rows of one object, or of the rule `index` of it. `accepted` are codes like `widened:paths`."""

    origin: Origin
    accepted: frozenset[str] = frozenset()
    findings: list[Finding] = field(default_factory=list)
    index: int | None = None

    def about(self, index: int | None) -> "Ledger":
        """The same, for rows about that rule."""
        return replace(self, index=index)

    def kept(self, at: str, message: str, old: Any = "", new: Any = "", code: str = "") -> None:
        """It means what it meant. What stands neither there nor here needs no row."""
        if text(old) or text(new):
            self._add(at, Verdict.KEPT, message, old=text(old), new=text(new), code=code)

    def narrowed(self, at: str, code: str, message: str, shown: Contrast = NO_CONTRAST) -> None:
        """Something that passed does not any more, or no longer so. Who knows what an unknown field holds."""
        if code == UNKNOWN:
            shown = replace(shown, old=masking.HIDDEN)
        self._add(at, Verdict.NARROWED, message, code=code, **shown.columns)

    def widened(self, at: str, code: str, message: str, shown: Contrast = NO_CONTRAST) -> bool:
        """Something passes that did not: true if a person has accepted that, else it is a decision."""
        flag = f"widened:{code}"
        if flag in self.accepted:
            self._add(at, Verdict.WIDENED, message, code=code, **shown.columns)
            return True
        question, answer = f"{message} Is that wanted?", f"--accept {flag}"
        self._add(at, Verdict.DECISION, question, code=code, answer=answer, **shown.columns)
        return False

    def ask(self, at: str, question: str, answer: str, old: Any = "", code: str = "") -> None:
        """One question, and what answers it."""
        self._add(at, Verdict.DECISION, question, old=text(old), answer=answer, code=code)

    @property
    def is_open(self) -> bool:
        """True while something waits for a person."""
        return any(one.verdict is Verdict.DECISION for one in self.findings)

    @property
    def waits(self) -> bool:
        """True while its own question is open, or that of a rule of the same host."""
        return self.is_open or any(one.code == WAITS for one in self.findings)

    def _add(self, at: str, verdict: Verdict, message: str, **rest: str) -> None:
        """A report goes from hand to hand: what may be a credential stands in none of its columns."""
        said = {name: masking.shown(value) for name, value in rest.items()}
        said |= {name: masking.value(at, rest[name]) for name in ("old", "new") if rest.get(name)}
        shown = masking.shown(message)
        self.findings.append(
            Finding(str(self.origin), self.index, at, verdict, shown, file=self.origin.file, **said)
        )


About = Callable[[Old], Ledger]  # of rules of several objects: where the rows about one of them belong


def text(value: Any) -> str:
    """As a row has it: short, and on one line."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case Mapping():
            return ", ".join(
                f"{key}: {masking.HIDDEN if masking.is_secret(str(key)) else text(one)}"
                for key, one in value.items()
            )
        case list() | tuple():
            return ", ".join(map(text, value))
        case None:
            return ""
        case _:
            return str(value)


def silent(body: Mapping[str, Any], findings: Iterable[Finding]) -> Iterator[tuple[str, Any]]:
    """What stands in a document and no row speaks of: where, and what."""
    spoken = {one.field for one in findings}
    for at, value in leaves(body):
        if not at.startswith(_OTHERS) and not any(_within(at, field) for field in spoken):
            yield at, value


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value of a document, with its place: `spec.rules[0].methods[1]`."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{at}[{index}]")
    else:
        yield at, value


def _within(at: str, field: str) -> bool:
    return at == field or (at.startswith(field) and at[len(field)] in ".[")
