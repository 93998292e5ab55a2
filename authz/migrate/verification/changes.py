"""What changes for callers, by name: each row says when a difference is of its kind, and why it is right.

The guide lists the same rows. A row explains nothing by its name alone: `causes` has the test behind it.
"""

from dataclasses import dataclass

from authz.migrate.verification import causes
from authz.migrate.verification.causes import Cause
from authz.migrate.verification.differences import Context, Difference, Kind


@dataclass(frozen=True, slots=True)
class Change:
    """One row. `text` is what the guide says; `kinds` are the differences that it can be about."""

    name: str
    kinds: tuple[Kind, ...]
    is_it: Cause
    text: str


def explain(difference: Difference, context: Context) -> Change | None:
    """The first row that is about it."""
    kind = difference.kind
    return next((one for one in CHANGES if kind in one.kinds and one.is_it(difference, context)), None)


_GAINS = (Kind.WIDENED,)
_LOSSES = (Kind.NARROWED, Kind.REFUSED)
_REFUSALS = (Kind.REFUSED,)

CHANGES: tuple[Change, ...] = (
    Change(
        "not converted yet",
        _LOSSES,
        causes.waits,
        "The report asks something about the object; until it is answered nothing serves its host.",
    ),
    Change(
        "ambiguous paths",
        _LOSSES,
        causes.refused("PATH_AMBIGUOUS"),
        "A path that two programs could read as two (`//`, `;`, `%2F` and the like) gets 400 where a host"
        " mixes kinds of access.",
    ),
    Change(
        "401 and 403",
        _REFUSALS,
        causes.refuses_caller,
        "Istio answers a missing token with 403, Oathkeeper with 401; a missing scope is 403 now, and was 401"
        " for a JWT.",
    ),
    Change(
        "404 for nobody",
        _REFUSALS,
        causes.is_nobodys,
        "A rule that let nobody pass is no rule any more: 404 instead of 401 or 403.",
    ),
    Change(
        "500 is gone",
        _REFUSALS,
        causes.was_broken,
        "What Oathkeeper answered with 500, set up wrongly or with two rules, is refused in order.",
    ),
    Change(
        "two rules matched",
        _GAINS,
        causes.matched_twice,
        "Oathkeeper answered 500 where two of its rules matched; now the first of them decides.",
    ),
    Change(
        "other spellings of a host",
        (*_GAINS, *_REFUSALS),
        causes.is_spelt_otherwise,
        "`Host: shop.example.com:443` and `SHOP.example.com` got 404 from Oathkeeper; now they are one host.",
    ),
    Change(
        "preflights",
        _REFUSALS,
        causes.is_preflight,
        "A preflight that nobody wants gets 403 where the path has rules, else 404.",
    ),
    Change(
        "methods that a later rule has",
        _REFUSALS,
        causes.is_passed_on,
        "A path led to Oathkeeper with all methods, which answered 404 to those that its rule did not"
        " list; where a later rule has them they get 403 now.",
    ),
    Change(
        "tokens without the prefix",
        _GAINS,
        causes.has_other_prefix,
        "The issuer was asked about tokens with the `prefix` alone; now about any, and it decides;"
        " it was accepted.",
    ),
    Change(
        "clocks may differ by 60 s",
        _GAINS,
        causes.is_within_leeway,
        "A token is taken up to a minute after it has expired, and before it begins: Envoy's own tolerance.",
    ),
    Change(
        "issued in the future",
        _GAINS,
        causes.is_issued_later,
        "The mesh does not read `iat`: a token that says it was issued later passes.",
    ),
    Change(
        "other algorithms",
        _GAINS,
        causes.has_other_algorithm,
        "Where none was named Oathkeeper took RS256 alone; now any for which the issuer publishes a key.",
    ),
    Change(
        "no key id",
        _GAINS,
        causes.has_no_kid,
        "Oathkeeper refused a token without `kid`; now the issuer's keys are tried.",
    ),
    Change(
        "tokens without an end",
        _LOSSES,
        causes.lacks("exp"),
        "The authorizer refuses tokens without `exp`.",
    ),
    Change(
        "tokens without a subject",
        _LOSSES,
        causes.lacks("sub"),
        "Tokens without `sub` are refused: Istio can not name their caller.",
    ),
    Change(
        "tokens of other kinds",
        _LOSSES,
        causes.refused("TOKEN_KIND"),
        "The authorizer refuses ID, refresh and logout tokens: they are not for APIs (RFC 8725 3.12).",
    ),
    Change(
        "two credentials",
        _LOSSES,
        causes.is_shown_twice,
        "Two tokens where one is expected are refused; Oathkeeper took the first.",
    ),
    Change(
        "other issuers",
        _LOSSES,
        causes.is_of_another_issuer,
        "The new rule names the issuer; Oathkeeper took any that the keys sign for.",
    ),
    Change(
        "bad tokens on public paths",
        _LOSSES,
        causes.is_bad_on_public,
        "Where the mesh checks tokens for one rule of a workload, it refuses bad ones on all of its paths.",
    ),
    Change(
        "anonymous with credentials",
        _GAINS,
        causes.is_anonymous,
        "`anonymous` refused whoever sent an Authorization header; public is public now.",
    ),
    Change(
        "other cookies",
        _GAINS,
        causes.has_other_cookies,
        "`cookie_session` without `only` refused whoever sent any other cookie; now the next handler is"
        " asked; it was accepted.",
    ),
    Change(
        "methods that are not listed",
        _LOSSES,
        causes.is_unlisted,
        "`allow` let every method pass; now those that are listed, unless `--all-methods` keeps the others.",
    ),
    Change(
        "fewer paths",
        _LOSSES,
        causes.is_missing,
        "The new paths are fewer than the old expression's; the report shows one that is missing.",
    ),
    Change(
        "hosts that nobody named",
        _LOSSES,
        causes.is_of_no_named_host,
        "A rule's hosts were a pattern, and somebody has named those that are served; others have no rule.",
    ),
    Change(
        "more paths",
        (*_GAINS, *_REFUSALS),
        causes.is_extra,
        "The new paths are more than the old expression's; the report shows one; it was accepted.",
    ),
    Change(
        "encoded characters",
        _GAINS,
        causes.is_of_another_rule,
        "Oathkeeper decoded a path before it compared: `%3A` was a `:`. Now another rule has the path as it"
        " was sent; it was accepted.",
    ),
    Change(
        "encoded paths",
        _LOSSES,
        causes.is_decoded,
        "Oathkeeper decoded a path before it compared; now it is compared as it was sent.",
    ),
    Change(
        "programs get tokens",
        (Kind.WIDENED, *_LOSSES),
        causes.is_program,
        "`oauth2_client_credentials` took a program's id and secret; now it gets a token.",
    ),
    Change(
        "identity tokens",
        (Kind.TOLD,),
        causes.is_identity_token,
        "`id_token` put Oathkeeper's token in the place of the caller's; now the caller's stays, and the"
        " identity token has a header of its own.",
    ),
    Change(
        "spelling of claims",
        (Kind.TOLD,),
        causes.is_gos_spelling,
        "Go's templates wrote `<no value>` for a missing claim, and lists in brackets; now there is none,"
        " and lists are joined by commas.",
    ),
)
