"""Two answers to one request and how they differ, and what is known of the rules that it may fall under."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from authz.migrate.old import matching
from authz.migrate.old.rule import Old
from authz.migrate.report.rows import WAITS, Finding, Verdict
from authz.migrate.verification import wallet
from authz.migrate.verification.mesh import Outcome
from authz.migrate.verification.oathkeeper import Answer
from authz.migrate.verification.requests import Sent

_PUBLIC = frozenset({"allow", "anonymous", "no_auth", "noop"})


class Kind(StrEnum):
    """How two answers differ, the grave ones first."""

    WIDENED = "refused before, passes now"
    NARROWED = "passed before, refused now"
    TOLD = "the workload is told something else"
    REFUSED = "refused with another status"


@dataclass(frozen=True, slots=True)
class Difference:
    """One request, both answers. `told` are headers with their old and new values, for TOLD."""

    sent: Sent
    old: Answer
    new: Outcome
    kind: Kind
    now: float = 0.0
    told: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)

    @property
    def claims(self) -> Mapping[str, object]:
        """Of the credential, unverified."""
        return wallet.claims(self.sent.credential.text)

    @property
    def without_secrets(self) -> "Difference":
        """As an example: of headers their names alone."""
        old, new = replace(self.old, headers={}), replace(self.new, headers={})
        told = dict.fromkeys(self.told, ("", ""))
        return replace(self, sent=self.sent.without_secrets, old=old, new=new, told=told)


@dataclass(frozen=True, slots=True)
class Context:
    """What is known about the rules: those that match the request's path and method, and their findings.

    `names_path` says that a new rule of the host has the path, `as_sent` that an old one has it undecoded,
    `waits` that an object of the host is not converted yet.
    """

    matching: tuple[Old, ...] = ()
    findings: tuple[Finding, ...] = ()
    names_path: bool = False
    as_sent: bool = False
    waits: bool = False

    def has(self, *codes: str) -> bool:
        """True if the report has a row of that code for one of the rules."""
        return any(one.code in codes for one in self.findings)

    def accepts(self, code: str) -> bool:
        """True if somebody has accepted that the rules let more pass, in this way."""
        return any(one.code == code and one.verdict is Verdict.WIDENED for one in self.findings)

    @property
    def is_public(self) -> bool:
        """True if the rules that match let everyone pass."""
        return bool(self.matching) and all(_PUBLIC.issuperset(rule.handlers) for rule in self.matching)

    @property
    def is_shut(self) -> bool:
        """True if one of the rules that match refuses everyone."""
        return any("unauthorized" in one.handlers or one.authorizer.name == "deny" for one in self.matching)


def context(sent: Sent, rules: Iterable[Old], findings: Sequence[Finding], *, names_path: bool) -> Context:
    """Of the rules of a host, those whose path and method match; where no path does, all of them."""
    known = tuple(rules)
    there = tuple(rule for rule in known if matching.matches(rule.path, sent.path))
    exact = tuple(rule for rule in there if sent.method in {one.upper() for one in rule.methods})
    about = there or known
    rows = {(str(rule.origin), rule.index) for rule in about} | {(str(rule.origin), None) for rule in about}
    own = tuple(one for one in findings if (one.object, one.index) in rows)
    as_sent = any(matching.matches(rule.path, sent.path, decoded=False) for rule in there)
    is_open = any(one.verdict is Verdict.DECISION or one.code == WAITS for one in findings)
    return Context(exact or there, own, names_path, as_sent, is_open)
