"""Who issues the tokens that an old rule accepts: said by the rule, by a person, or to be asked for.

Oathkeeper trusts keys, and whatever `iss` they sign unless it is told; Istio and we trust issuers.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from authz.migrate.conversion.model.access import Case
from authz.migrate.old.defaults import HYDRA
from authz.migrate.report.rows import Contrast

Pair = tuple[str, str]  # an issuer, and where its keys are

_KYMAS = " Of Kyma's own Hydra that is at https://oauth2.DOMAIN/.well-known/openid-configuration."
_QUESTION = "Who issues the tokens signed by {url}? Oathkeeper took any issuer; the new rule names one."


def pairs(case: Case) -> tuple[Pair, ...]:
    """Each issuer with its keys. Nothing where a person has to say more."""
    urls, issuers = case.texts("jwks_urls"), case.texts("trusted_issuers")
    if not urls:
        case.ledger.ask(
            case.at("jwks_urls"), "Where are the keys of these tokens?", "add jwks_urls to the rule"
        )
        return ()
    if unusable := [url for url in urls if not url.startswith(("http://", "https://"))]:
        question = (
            f"{unusable[0]} is no address that the mesh or the authorizer can fetch. Where are the keys?"
        )
        case.ledger.ask(case.at("jwks_urls"), question, "edit jwks_urls: an http(s) address", old=urls)
        return ()
    found = _named(case, urls, issuers) if issuers else _unnamed(case, urls)
    for issuer, url in found:
        case.ledger.kept(case.at("jwks_urls"), "The keys of an issuer.", old=urls, new=f"{issuer}: {url}")
    return found


def _named(case: Case, urls: Sequence[str], issuers: Sequence[str]) -> tuple[Pair, ...]:
    """One address for all, or to each its own."""
    at = case.at("trusted_issuers")
    if len(urls) == 1:
        case.ledger.kept(at, "Tokens of these issuers are accepted.", old=issuers, new=issuers)
        return tuple((issuer, urls[0]) for issuer in issuers)
    matched = [_own(issuer, urls, case) for issuer in issuers]
    if all(len(one) == 1 for one in matched):
        message = (
            "Each issuer's tokens are accepted with its own keys only; the old rule took any of the keys."
        )
        found = tuple((issuer, one[0]) for issuer, one in zip(issuers, matched, strict=True))
        case.ledger.narrowed(
            at, "issuer-keys", message, Contrast(old=issuers, new=[f"{one}: {url}" for one, url in found])
        )
        return found
    open_one = next(issuer for issuer, one in zip(issuers, matched, strict=True) if len(one) != 1)
    question = f"Which of the {len(urls)} key sets signs the tokens of {open_one}? An issuer has one."
    case.ledger.ask(at, question, f"--issuer URL={open_one}, with one of: {', '.join(urls)}", old=issuers)
    return ()


def _own(issuer: str, urls: Sequence[str], case: Case) -> list[str]:
    """The addresses that a person has named for this issuer, else those that lie below it or beside it."""
    if said := [url for url in urls if case.choices.issuers.get(url) == issuer]:
        return said
    left = [url for url in urls if url not in case.choices.issuers]
    if below := [url for url in left if url.startswith(issuer.rstrip("/") + "/")]:
        return below
    return [url for url in left if _origin(url) == _origin(issuer)]


def _unnamed(case: Case, urls: Sequence[str]) -> tuple[Pair, ...]:
    known = case.choices.issuers
    for url in urls:
        if url not in known:
            at, question = case.at("jwks_urls"), _QUESTION.format(url=url)
            case.ledger.ask(at, question, f"--issuer {url}=ISSUER", old=urls, code="issuer")
    if not all(url in known for url in urls):
        return ()
    found = tuple((known[url], url) for url in urls)
    if len({issuer for issuer, _ in found}) < len(found):
        question = "Two key sets of one issuer: an issuer has one. Which one signs?"
        case.ledger.ask(case.at("jwks_urls"), question, "edit jwks_urls", old=urls)
        return ()
    message = "The old rule took tokens of any issuer that these keys sign; the new one takes this issuer's."
    case.ledger.narrowed(
        case.at("jwks_urls"), "issuer", message, Contrast(old=urls, new=[issuer for issuer, _ in found])
    )
    return found


def one(case: Case, url: str, name: str) -> str:
    """Who issues the tokens that this address knows about, or nothing where a person has to say it."""
    trusted = case.texts("trusted_issuers")
    said = case.choices.issuers.get(url, "")
    if said or len(trusted) == 1:
        issuer = said or trusted[0]
        if trusted:
            case.ledger.kept(
                case.at("trusted_issuers"), "Tokens of this issuer are accepted.", trusted, issuer
            )
        else:
            message = "An answer may name this issuer only; the old rule took whatever was called active."
            case.ledger.narrowed(case.at(name), "issuer", message, Contrast(url, issuer))
        return issuer
    hint = _KYMAS if url == HYDRA else ""
    question = (
        f"Who issues the tokens that {url} knows about? Its `iss`, as its discovery document has it.{hint}"
    )
    case.ledger.ask(case.at(name), question, f"--issuer {url}=ISSUER", old=url, code="issuer")
    return ""


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", url
    return parts.scheme, parts.netloc
