"""What may be the cause of a difference: the tests behind `changes`.

Each reads the request, both answers and, where the report must have said so, its rows for that very rule.
"""

from collections.abc import Callable

from authz.core import cors
from authz.core.policy import ALGORITHMS
from authz.migrate.verification import wallet
from authz.migrate.verification.differences import Context, Difference, Kind

LEEWAY_S = 61.0  # 60 of ours, and one for the time between the two answers
NO_VALUE = "<no value>"  # what Go's templates make of a claim that is not there

Cause = Callable[[Difference, Context], bool]


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
    """Oathkeeper wants exactly one rule; the report has said which is first.

    One of them may have matched by its host's pattern, and not by its path.
    """
    by_path = len(context.matching) > 1 and context.has("overlap")
    return one.old.status == 500 and (by_path or context.has("spanning"))


def is_of_no_named_host(one: Difference, context: Context) -> bool:
    """The host is of a pattern for which somebody has named others."""
    return one.new.why == "ROUTE" and not context.names_path and context.has("hosts-named")


def is_preflight(one: Difference, _: Context) -> bool:
    """Nobody is let in by it, before or now."""
    return cors.is_preflight(one.sent.request) and one.old.status >= 400


def is_passed_on(one: Difference, context: Context) -> bool:
    """A method that the first route's rule did not list, and a later one does: now it is refused."""
    return one.old.status == 404 and context.has("methods-passed-on")


def has_other_prefix(one: Difference, context: Context) -> bool:
    """Oathkeeper asked about tokens with a prefix alone; the issuer has called this one active."""
    shows = one.sent.credential.kind == "token" and bool(one.sent.credential.text)
    return context.accepts("prefix") and one.old.status == 401 and shows


def is_spelt_otherwise(one: Difference, _: Context) -> bool:
    """The authority has a port or capitals; or the old rule has some, and matched nothing."""
    bare = one.sent.host.partition(":")[0]
    old = [host.text for host in one.sent.about.hosts] if one.sent.about else []
    return one.old.status == 404 and (
        bare != one.sent.host or any(name != name.lower() for name in (bare, *old))
    )


def was_refused(one: Difference, context: Context) -> bool:
    """Also with 500, where several error handlers felt responsible for the 401."""
    return one.old.status == 401 or (
        one.old.status == 500 and any(len(r.errors) > 1 for r in context.matching)
    )


def is_within_leeway(one: Difference, context: Context) -> bool:
    """The token has just expired, or begins within a minute."""

    def near(name: str, least: float, most: float) -> bool:
        value = one.claims.get(name)
        return isinstance(value, int | float) and least <= value - one.now <= most

    early = near("nbf", 0.01, LEEWAY_S) or near("iat", 0.01, LEEWAY_S)
    return was_refused(one, context) and (near("exp", -LEEWAY_S, 1.0) or early)


def is_issued_later(one: Difference, context: Context) -> bool:
    """Envoy does not read `iat`."""
    issued = one.claims.get("iat")
    return was_refused(one, context) and isinstance(issued, int | float) and issued > one.now


def has_other_algorithm(one: Difference, context: Context) -> bool:
    """Oathkeeper's default is one; where a rule names some, there is no other."""
    used = wallet.header(one.sent.credential.text).get("alg")
    named = any("allowed_algorithms" in each.config for r in context.matching for each in r.authenticators)
    return was_refused(one, context) and used in ALGORITHMS - {"RS256"} and not named


def has_no_kid(one: Difference, context: Context) -> bool:
    """Oathkeeper looks for a key by its name alone."""
    names_none = not wallet.header(one.sent.credential.text).get("kid")
    return was_refused(one, context) and bool(one.claims) and names_none


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


def has_other_cookies(one: Difference, context: Context) -> bool:
    """`cookie_session` without `only` felt responsible for any, and somebody has accepted that."""
    shows = any(name == "cookie" for name, _ in one.sent.lines)
    return context.accepts("cookies") and one.old.status == 401 and shows


def is_unlisted(one: Difference, context: Context) -> bool:
    """`allow` let every method pass."""
    named = {method.upper() for rule in context.matching for method in rule.methods}
    return one.new.why == "ROUTE" and context.has("allow-methods", "methods") and one.sent.method not in named


def is_missing(one: Difference, context: Context) -> bool:
    """The new path does not have it, and the report has said that it lacks some."""
    return one.new.why == "ROUTE" and not context.names_path and context.has("paths")


def is_extra(one: Difference, context: Context) -> bool:
    """Only the new path has it, and somebody has accepted that."""
    return context.accepts("paths") and one.old.status == 404 and not context.matching and context.names_path


def is_decoded(one: Difference, context: Context) -> bool:
    """Oathkeeper compared the decoded path; as it was sent, the old expression would not have had it."""
    return "%" in one.sent.path and not context.as_sent and one.new.status in (400, 404)


def is_of_another_rule(one: Difference, context: Context) -> bool:
    """The rule that had the decoded path does not have it as it was sent, and somebody has accepted that."""
    return "%" in one.sent.path and context.accepts("encoded")


def is_program(one: Difference, context: Context) -> bool:
    """Id and secret before, a token now."""
    passes = one.kind is Kind.WIDENED and one.new.why == "AUTHORIZED"
    refused = one.kind is not Kind.WIDENED and one.sent.credential.kind == "basic"
    return context.has("oauth2-client-credentials") and (passes or refused)


def is_identity_token(one: Difference, context: Context) -> bool:
    """Oathkeeper put its own into Authorization; now it has a header of its own."""
    return context.has("id-token") and set(one.told) == {"authorization"}


def is_gos_spelling(one: Difference, _: Context) -> bool:
    """Of a missing claim, and of a list."""

    def same(old: str, new: str) -> bool:
        if old in (NO_VALUE, ""):
            return not new
        return old.startswith("[") and old.strip("[]").replace(" ", ",") == new.replace(" ", ",")

    return all(same(*values) for values in one.told.values())
