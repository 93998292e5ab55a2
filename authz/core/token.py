"""Finding the one credential of a request that counts, and never showing it.

More than one token where one is expected is refused, for two parties could pick two different ones.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import parse_qsl

from authz.core import cookies
from authz.core.policy import Authorizer, Introspection, Jwt, Location, Place, Session
from authz.core.reason import Reason, Refused
from authz.core.request import Request

TOKEN_MAX_LENGTH = 16_384  # access tokens with many groups reach 10 kB; Envoy's header limit is 60 KiB
PARAMETERS_MAX = 100  # as many as a form has; more is an attack on the parser


_is_opaque = re.compile(r"[A-Za-z0-9._~+/-]+=*").fullmatch  # RFC 6750 2.1: b64token
_looks_like_jwt = re.compile(r"e[w-z][^.]*\.[^.]*\.[^.]*").fullmatch  # base64url of `{` and two dots


@dataclass(frozen=True, slots=True)
class Token:
    """A credential. Its text is for verification only: it prints as `***`."""

    text: str

    @property
    def digest(self) -> bytes:
        """SHA-256 of the text: what caches may hold instead of the token."""
        return sha256(self.text.encode()).digest()

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


NOTHING = Token("")


def first(
    authorizer: Authorizer, request: Request
) -> tuple[Token, tuple[Jwt, ...] | Introspection | Session | str]:
    """The credential at the first place the authorizer looks that has one, and who is believed about it.

    Where there is none, also of any other kind in `Authorization`, it may be nobody, by some name.
    Raises Refused: TOKEN_MISSING, SESSION_MISSING, AUTHORIZER_ELSEWHERE, TOKEN_MALFORMED, and what `find`
    and `cookies.session` raise.
    """
    if not authorizer.accept and authorizer.anonymous is None:
        raise Refused(Reason.AUTHORIZER_ELSEWHERE)
    for place in authorizer.places:
        if isinstance(place, Session):
            if found := cookies.session(request.headers.get("cookie", ""), place.cookie_name):
                return Token(found), place
        elif token := find(place.location, request):
            return token, place.jwts if place.introspection is None else _either(token, place)
    if authorizer.anonymous is not None and not request.headers.get("authorization"):
        return NOTHING, authorizer.anonymous
    if authorizer.session:
        raise Refused(Reason.SESSION_MISSING, sign_in=authorizer.session)
    raise Refused(Reason.TOKEN_MISSING)


def _either(token: Token, place: Place) -> tuple[Jwt, ...] | Introspection:
    """A token that looks like a JWT is one where JWTs are accepted; all others are the issuer's to judge."""
    if place.jwts and _looks_like_jwt(token.text):
        return place.jwts
    if place.introspection is None or not _is_opaque(token.text):
        raise Refused(Reason.TOKEN_MALFORMED)
    return place.introspection


def find(location: Location, request: Request) -> Token | None:
    """The token there, or None. Raises Refused: CREDENTIAL_AMBIGUOUS or TOKEN_TOO_LONG.

    Whether the text is one that a token can have is for those to say who parse it.
    """
    text = _text(location, request)
    if text is None:
        return None
    if len(text) > TOKEN_MAX_LENGTH:
        raise Refused(Reason.TOKEN_TOO_LONG)
    return Token(text)


def _text(location: Location, request: Request) -> str | None:
    if location.param:
        return _in_query(location.param, request.query)
    if location.cookie:
        return cookies.single(request.headers.get("cookie", ""), location.cookie)
    return _in_header(location, request)


def _in_header(location: Location, request: Request) -> str | None:
    value = request.headers.get(location.header)
    if value is None:
        return None
    if "," in value:  # Envoy joins repeated headers with a comma, and no token has one
        raise Refused(Reason.CREDENTIAL_AMBIGUOUS)
    size = len(location.prefix)
    sent = value[:size]
    if sent != location.prefix and sent.lower() != location.prefix.lower():  # RFC 9110 11.1: no case
        return None
    return value[size:].strip(" ")


def _in_query(name: str, query: str) -> str | None:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError as error:
        raise Refused(Reason.CREDENTIAL_AMBIGUOUS) from error
    values = [value for key, value in pairs if key == name]
    if len(values) > 1:
        raise Refused(Reason.CREDENTIAL_AMBIGUOUS)
    return values[0] if values else None
