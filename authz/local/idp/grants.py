"""What the provider grants and to whom: authlib's protocol, with our users, clients and tokens put in.

Client credentials, and the authorization code with PKCE; no password, no implicit flow, no refresh.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationServer, InvalidRequestError, OAuth2Request, grants
from authlib.oauth2.rfc6749.requests import OAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oidc.core import AuthorizationCodeMixin
from authlib.oidc.core.grants import OpenIDCode
from joserfc.errors import JoseError
from starlette.responses import JSONResponse, Response

from authz.local.idp.issuer import ALGORITHM, TOKEN_LIFETIME_S, Issuer
from authz.local.idp.people import CLIENTS, Client, User

CODE_LIFETIME_S = 60.0  # RFC 6749 4.1.2 recommends ten minutes at most; a browser takes a second
DEFAULT_AUDIENCE = "shop"


class Parameters(OAuth2Payload):
    """Query or form, in which a name may stand twice."""

    def __init__(self, items: Iterable[tuple[str, str]]) -> None:
        self._items = list(items)

    @property
    def data(self) -> dict[str, str]:
        return dict(self._items)

    @property
    def datalist(self) -> dict[str, list[str]]:
        return {name: [value for key, value in self._items if key == name] for name, _ in self._items}


class Request(OAuth2Request):
    """An HTTP request whose body has been read."""

    def __init__(
        self, method: str, url: str, headers: dict[str, str], items: Iterable[tuple[str, str]]
    ) -> None:
        super().__init__(method, url, headers=headers)
        self.payload = Parameters(items)

    @property
    def form(self) -> dict[str, str]:
        return self.payload.data


@dataclass
class Code(AuthorizationCodeMixin):
    """An authorization code, waiting to be redeemed once."""

    client: Client
    user: User
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str
    code_challenge_method: str
    made_at: float = field(default_factory=time.time)

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(self.made_at)

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class Provider(AuthorizationServer):
    """The two endpoints of RFC 6749 and that of RFC 7662, over one issuer."""

    def __init__(self, issuer: Issuer) -> None:
        super().__init__()
        self.issuer = issuer
        self.codes: dict[str, Code] = {}
        self.register_grant(ClientCredentials)
        self.register_grant(AuthorizationCode, [S256(required=True), IdToken(issuer)])
        self.register_endpoint(Introspection)

    def query_client(self, client_id: str) -> Client | None:
        return CLIENTS.get(client_id)

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """A signed token needs no storing."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: Request) -> Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Iterable[tuple[str, str]]) -> Response:
        if isinstance(body, dict):
            return JSONResponse(body, status, dict(headers))
        return Response(body, status, dict(headers))


class Signed(grants.BaseGrant):
    """A grant whose token is a signed JWT, for the audience that the client names (as RFC 8707 has it)."""

    def generate_token(
        self, user: User | None = None, scope: str | None = None, **_: object
    ) -> dict[str, Any]:
        client = self.request.client.get_client_id()
        audience = self.request.form.get("audience", DEFAULT_AUDIENCE)
        issuer: Issuer = self.server.issuer
        claims = issuer.claims(user or User(client), client, scope or "", audience)
        return {
            "token_type": "Bearer",
            "access_token": issuer.sign(claims),
            "expires_in": TOKEN_LIFETIME_S,
            "scope": scope or "",
        }


class ClientCredentials(Signed, grants.ClientCredentialsGrant):
    """RFC 6749 4.4: a program in its own name."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")


class AuthorizationCode(Signed, grants.AuthorizationCodeGrant):
    """RFC 6749 4.1: somebody through a browser."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("none", "client_secret_basic", "client_secret_post")

    def save_authorization_code(self, code: str, request: Request) -> None:
        sent = request.payload.data
        self.server.codes[code] = Code(
            client=request.client,
            user=request.user,
            redirect_uri=sent["redirect_uri"],
            scope=request.scope,
            nonce=sent.get("nonce"),
            code_challenge=sent["code_challenge"],
            code_challenge_method=sent["code_challenge_method"],
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        """Taken out at once: a second try, even after a wrong verifier, finds nothing (RFC 9700 4.8)."""
        found: Code | None = self.server.codes.pop(code, None)
        fresh = found and time.time() < found.made_at + CODE_LIFETIME_S
        return found if found and fresh and found.client == client else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """It is gone already."""

    def authenticate_user(self, authorization_code: Code) -> User:
        return authorization_code.user


class S256(CodeChallenge):
    """PKCE that can not be left out, nor weakened to `plain` (RFC 9700 2.1.1)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: AuthorizationCode, redirect_uri: str) -> None:
        sent = grant.request.payload.data
        if not sent.get("code_challenge") or sent.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with S256 is required")
        super().validate_code_challenge(grant, redirect_uri)


class IdToken(OpenIDCode):
    """OpenID Connect Core 3.1.3.3: who signed in, beside the access token."""

    def __init__(self, issuer: Issuer) -> None:
        super().__init__()
        self._issuer = issuer

    def exists_nonce(self, nonce: str, request: OAuth2Request) -> bool:  # noqa: ARG002  # authlib's signature
        return False

    def resolve_client_private_key(self, client: Client) -> Any:  # noqa: ARG002  # authlib's signature
        return self._issuer.key

    def get_encode_header(self, client: Client) -> dict[str, str]:  # noqa: ARG002  # authlib's signature
        return {"alg": ALGORITHM, "kid": self._issuer.kid}

    def get_client_claims(self, client: Client) -> dict[str, str]:
        return {"iss": self._issuer.url, "aud": client.client_id}

    def generate_user_info(self, user: User, scope: str) -> dict[str, Any]:  # noqa: ARG002  # authlib's signature
        return user.claims


class Introspection(IntrospectionEndpoint):
    """RFC 7662: a token of ours that is still good is active, and nothing else is."""

    def query_token(self, token_string: str, token_type_hint: str | None) -> dict[str, Any] | None:  # noqa: ARG002  # authlib's signature
        issuer: Issuer = self.server.issuer
        try:
            return issuer.read(token_string)
        except (JoseError, ValueError):
            return None

    def check_permission(self, token: Any, client: Client, request: OAuth2Request) -> bool:  # noqa: ARG002  # authlib's signature
        return bool(client.secret)

    def create_introspection_payload(self, token: dict[str, Any] | None) -> dict[str, Any]:
        return {"active": True, "token_type": "Bearer", **token} if token else {"active": False}
