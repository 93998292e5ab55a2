"""The rules that the API server holds an APIRule to, in CEL, with `syntax`'s own words.

None is stricter than `apirule.parse`. Every string and list has a length in the schema: from those the
API server works out what a rule may cost, and refuses the whole definition if that is too much.
"""

from authz.istio import pattern, syntax
from authz.istio.openapi import Schema, must


def _matches(pattern: str) -> str:
    """CEL searches; so the pattern is anchored."""
    return f'self.matches(r"^(?:{pattern})$")'


def _text(most: int, *rules: tuple[str, str]) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": most} | must(*rules)


def claim(kind: str) -> Schema:
    """A scope or an audience."""
    known = '!self.startsWith("*") && !self.endsWith("*")'
    return _text(syntax.TEXT_MAX_LENGTH, (known, f"{kind} {syntax.WILDCARD}"))


NAME = _text(63, (_matches(syntax.LABEL), syntax.NOT_A_NAME))
GATEWAY = _text(127, (_matches(syntax.GATEWAY), syntax.NOT_A_GATEWAY))
EXTERNAL_GATEWAY = _text(127, ("false", syntax.NO_EXTERNAL_GATEWAY))
HOST = _text(syntax.HOST_MAX_LENGTH, (_matches(f"{syntax.FQDN}|{syntax.LABEL}"), syntax.NOT_A_HOST))
HOSTS = {"minItems": 1} | must(("self.all(host, self.exists_one(other, other == host))", syntax.HOST_TWICE))
PATH = _text(
    pattern.PATH_MAX_LENGTH,
    (_matches(pattern.PATH), pattern.NOT_A_PATH),
    (f'self.split("/").size() <= {pattern.SEGMENTS_MAX + 1}', pattern.PATH_TOO_LONG),
    (f'self.split("{{").size() <= {pattern.OPERATORS_MAX + 1}', pattern.MANY_OPERATORS),
    ('self.split("{**}").size() <= 2', pattern.OPEN_TWICE),
    (r'!self.matches(r"\{\*\*\}.*\{\*\}")', pattern.OPEN_NOT_LAST),
    (rf'!self.matches(r"/\.\.?(?:[;/]|$)|{pattern.UNRESERVED}")', pattern.RESOLVED),
    (r'!self.contains("//") || !self.matches(r"\{\*\}|\{\*\*\}.")', pattern.EMPTY_SEGMENT),
)
ACCESS = must(
    (
        "[has(self.noAuth) && self.noAuth, has(self.jwt), has(self.extAuth)].filter(it, it).size() == 1",
        syntax.ONE_ACCESS,
    )
)
ISSUER = _text(
    syntax.URI_MAX_LENGTH,
    (
        r'self.matches(r"^[^\s*]+$") && (!self.contains(":") || self.matches(r"^[A-Za-z][A-Za-z0-9+.-]*:"))',
        syntax.NOT_AN_ISSUER,
    ),
)
JWKS_URI = _text(syntax.URI_MAX_LENGTH, (r'self.matches(r"^https?://[^\s/?#][^\s]*$")', syntax.NO_KEYS))
_ANY = "self.exists(one, has(one.{0}) && one.{0}.size() > 0)"
SOURCES = {"minItems": 1} | must(
    (
        f"!({_ANY.format('fromHeaders')} && {_ANY.format('fromParams')})",
        syntax.MIXTURE,
    )
)
AUTHORIZATION = must(("has(self.requiredScopes) || has(self.audiences)", syntax.NO_AUTHORIZATION))
ORIGIN = must(
    (
        "[has(self.exact), has(self.prefix), has(self.regex)].filter(it, it).size() == 1",
        syntax.ONE_ORIGIN,
    )
)
SERVICES = must(("has(self.service) || self.rules.all(rule, has(rule.service))", syntax.SERVICELESS))
ROOT = must(("self.metadata.name.size() <= 63", syntax.LONG_NAME))
