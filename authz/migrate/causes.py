"""Two answers to one request, how they differ, and what may be the cause: the tests behind `changes`.

Each reads the request, both answers and, where the report must have said so, its rows for that very rule.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from authz.core.policy import ALGORITHMS
from authz.migrate import matching, wallet
from authz.migrate.mesh import Outcome
from authz.migrate.oathkeeper import Answer
from authz.migrate.old import Old
from authz.migrate.report import Finding, Verdict
from authz.migrate.requests import Sent

LEEWAY_S = 61.0  # 60 of ours, and one for the time between the two answers
NO_VALUE = "<no value>"  # what Go's templates make of a claim that is not there

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


@dataclass(frozen=True, slots=True)
class Context:
    """What is known about the rules: those that match the request's path and method, and their findings.

    `names_path` says that a new rule of the host has the path, `as_sent` that an old one has it undecoded.
    """

    matching: tuple[Old, ...] = ()
    findings: tuple[Finding, ...] = ()
    names_path: bool = False
    as_sent: bool = False

    def has(self, *codes: str) -> bool:
        """True if the report has a row of that code for one of the rules."""
        return any(one.code in codes for one in self.findings)

    @property
    def waits(self) -> bool:
        """True if one of the rules' objects is not converted yet."""
        return any(one.verdict is Verdict.DECISION for one in self.findings)

    @property
    def is_public(self) -> bool:
        """True if the rules that match let everyone pass."""
        return bool(self.matching) and all(_PUBLIC.issuperset(rule.handlers) for rule in self.matching)

    @property
    def is_shut(self) -> bool:
        """True if one of the rules that match refuses everyone."""
        return any("unauthorized" in one.handlers or one.authorizer.name == "deny" for one in self.matching)


Cause = Callable[[Difference, Context], bool]


def context(sent: Sent, rules: Iterable[Old], findings: Iterable[Finding], *, names_path: bool) -> Context:
    """Of the rules of a host, those whose path and method match; where none does, that it was made for."""
    there = tuple(rule for rule in rules if matching.matches(rule.path, sent.path))
    exact = tuple(rule for rule in there if sent.method in {one.upper() for one in rule.methods})
    about = exact or there or ((sent.about,) if sent.about else ())
    rows = {(str(rule.origin), rule.index) for rule in about} | {(str(rule.origin), None) for rule in about}
    own = tuple(one for one in findings if (one.object, one.index) in rows)
    as_sent = any(matching.matches(rule.path, sent.path, decoded=False) for rule in there)
    return Context(exact or there, own, names_path, as_sent)


def waits(one: Difference, context: Context) -> bool:
    """Nothing serves the host or the path yet."""
    return context.waits and one.new.why == "ROUTE"


def refused(*reasons: str) -> Cause:
    """By the authorizer or a sidecar, for one of these reasons."""
    return lambda one, _: one.new.why in reasons


def refuses_caller(one: Difference, _: Context) -> bool:
    """Both do, with one of two statuses."""
    return {one.old.status, one.new.status} <= {401, 403}


def is_nobodys(one: Difference, context: Context) -> bool:
    """The rule let nobody pass and is left out."""
    was_refused = one.old.status in (401, 403) or one.old.answered  # a preflight of what is refused
    return context.is_shut and was_refused and one.new.status == 404


def was_broken(one: Difference, _: Context) -> bool:
    """Oathkeeper could not decide."""
    return one.old.status >= 500


def matched_twice(one: Difference, context: Context) -> bool:
    """Oathkeeper wants exactly one rule; the report has said which is first."""
    return one.old.status == 500 and len(context.matching) > 1 and context.has("overlap")


def is_spelt_otherwise(one: Difference, _: Context) -> bool:
    """The authority has a port, or capitals."""
    bare = one.sent.host.partition(":")[0]
    return one.old.status == 404 and (bare != one.sent.host or bare != bare.lower())


def is_within_leeway(one: Difference, _: Context) -> bool:
    """The token has just expired, or begins within a minute."""

    def near(name: str, least: float, most: float) -> bool:
        value = one.claims.get(name)
        return isinstance(value, int | float) and least <= value - one.now <= most

    early = near("nbf", -1.0, LEEWAY_S) or near("iat", -1.0, LEEWAY_S)
    return one.old.status == 401 and (near("exp", -LEEWAY_S, 1.0) or early)


def is_issued_later(one: Difference, _: Context) -> bool:
    """Envoy does not read `iat`."""
    issued = one.claims.get("iat")
    return one.old.status == 401 and isinstance(issued, int | float) and issued > one.now


def has_other_algorithm(one: Difference, _: Context) -> bool:
    """Oathkeeper's default is one."""
    used = wallet.header(one.sent.credential.text).get("alg")
    return one.old.status == 401 and used in ALGORITHMS - {"RS256"}


def has_no_kid(one: Difference, _: Context) -> bool:
    """Oathkeeper looks for a key by its name alone."""
    names_none = not wallet.header(one.sent.credential.text).get("kid")
    return one.old.status == 401 and bool(one.claims) and names_none


def lacks(name: str) -> Cause:
    """The token has no such claim, and that is why."""

    def cause(one: Difference, _: Context) -> bool:
        is_why = one.new.why in ("CLAIMS_MALFORMED", "RBAC")
        return bool(one.claims) and not one.claims.get(name) and is_why

    return cause


def is_shown_twice(one: Difference, _: Context) -> bool:
    """Of two credentials Oathkeeper took the first."""
    return one.sent.twice and one.new.status in (400, 401, 403)


def is_of_another_issuer(one: Difference, context: Context) -> bool:
    """Oathkeeper took any that the keys sign for, or that the endpoint calls active."""
    return context.has("issuer", "issuer-keys") and one.new.why in ("ISSUER_UNKNOWN", "RBAC", "KEY_UNKNOWN")


def is_bad_on_public(one: Difference, context: Context) -> bool:
    """RequestAuthentications are the pods', whichever rule brought them."""
    shows = one.sent.credential.kind == "token" and bool(one.sent.credential.text)
    return context.is_public and one.new.status == 401 and shows


def is_anonymous(one: Difference, context: Context) -> bool:
    """`anonymous` is not responsible for a request with an Authorization header."""
    shows = any(name == "authorization" for name, _ in one.sent.lines)
    return context.has("anonymous") and one.old.status == 401 and shows


def is_unlisted(one: Difference, context: Context) -> bool:
    """`allow` let every method pass."""
    named = {method.upper() for rule in context.matching for method in rule.methods}
    return one.new.why == "ROUTE" and context.has("allow-methods", "methods") and one.sent.method not in named


def is_missing(one: Difference, context: Context) -> bool:
    """The new path does not have it, and the report has said that it lacks some."""
    return one.new.why == "ROUTE" and not context.names_path and context.has("paths")


def is_extra(one: Difference, context: Context) -> bool:
    """Only the new path has it, and somebody has accepted that."""
    accepted = any(row.code == "paths" and row.verdict is Verdict.WIDENED for row in context.findings)
    return accepted and one.old.status == 404 and not context.matching and context.names_path


def is_decoded(one: Difference, context: Context) -> bool:
    """Oathkeeper compared the decoded path; as it was sent, the old expression would not have had it."""
    return "%" in one.sent.path and not context.as_sent and one.new.status in (400, 404)


def is_program(one: Difference, context: Context) -> bool:
    """Id and secret before, a token now."""
    passes = one.kind is Kind.WIDENED and one.new.why == "AUTHORIZED"
    refused = one.kind is not Kind.WIDENED and one.sent.credential.kind == "basic"
    return context.has("oauth2-client-credentials") and (passes or refused)


def is_gos_spelling(one: Difference, _: Context) -> bool:
    """Of a missing claim, and of a list."""

    def same(old: str, new: str) -> bool:
        if old in (NO_VALUE, ""):
            return not new
        return old.startswith("[") and old.strip("[]").replace(" ", ",") == new.replace(" ", ",")

    return all(same(*values) for values in one.told.values())
