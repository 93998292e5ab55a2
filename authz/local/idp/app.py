"""The provider's endpoints as an ASGI application: the thin layer between starlette and authlib.

Besides the standard ones there is `/dev/`, for tokens and rotations on demand; it answers JSON only, so
that no web page can use it from afar, and to loopback names only, so that no DNS trick can either.
"""

from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error
from joserfc.errors import JoseError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from authz.local.idp import grants
from authz.local.idp.grants import DEFAULT_AUDIENCE, Provider
from authz.local.idp.issuer import ALGORITHM, Issuer
from authz.local.idp.people import USERS, User

_PAGE = """<!doctype html><html lang=en><meta charset=utf-8><title>Sign in</title>
<style>body{{font:1.1rem system-ui;max-width:20rem;margin:20vh auto}}
button{{display:block;width:100%;margin:.5rem 0;padding:.8rem;font:inherit}}</style>
<h1>Sign in as</h1><form method=post>{buttons}</form>"""
_BUTTON = "<button name=user value={0}>{0}</button>"
LOGIN_PAGE = _PAGE.format(buttons="".join(map(_BUTTON.format, USERS)))


def app(issuer: Issuer) -> Starlette:
    """The application. `issuer` may be used beside it: a rotation shows at once."""
    endpoints = _Endpoints(issuer)
    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", endpoints.discovery),
            Route("/jwks", endpoints.jwks),
            Route("/authorize", endpoints.authorize, methods=["GET", "POST"]),
            Route("/token", endpoints.token, methods=["POST"]),
            Route("/introspect", endpoints.introspect, methods=["POST"]),
            Route("/userinfo", endpoints.userinfo, methods=["GET", "POST"]),
            Route("/dev/rotate", endpoints.rotate, methods=["POST"]),
            Route("/dev/token", endpoints.mint, methods=["POST"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
    )


def metadata(url: str) -> dict[str, Any]:
    """OpenID Connect Discovery 3, RFC 8414 2."""
    return {
        "issuer": url,
        "jwks_uri": f"{url}/jwks",
        "authorization_endpoint": f"{url}/authorize",
        "token_endpoint": f"{url}/token",
        "introspection_endpoint": f"{url}/introspect",
        "userinfo_endpoint": f"{url}/userinfo",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "scopes_supported": ["openid", "email", "groups"],
    }


class _Endpoints:
    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._provider = Provider(issuer)

    async def discovery(self, _: Request) -> Response:
        return JSONResponse(metadata(self._issuer.url))

    async def jwks(self, _: Request) -> Response:
        return JSONResponse(self._issuer.jwks())

    async def token(self, request: Request) -> Response:
        response: Response = self._provider.create_token_response(await _form(request))
        return response

    async def introspect(self, request: Request) -> Response:
        asked = await _form(request)
        response: Response = self._provider.create_endpoint_response("introspection", asked)
        return response

    async def authorize(self, request: Request) -> Response:
        """GET shows the login page; its form posts back here, with the query still in the URL."""
        asked = _query(request)
        try:
            grant = self._provider.get_consent_grant(asked)
        except OAuth2Error as error:
            refusal: Response = self._provider.handle_error_response(asked, error)
            return refusal
        if request.method == "GET":
            return HTMLResponse(LOGIN_PAGE, headers={"x-frame-options": "DENY"})
        user = USERS.get(str((await request.form()).get("user")))
        response: Response = self._provider.create_authorization_response(asked, user, grant)
        return response

    async def userinfo(self, request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            claims = self._issuer.read(token) if scheme.lower() == "bearer" else {}
        except (JoseError, ValueError):
            return Response(status_code=401, headers={"www-authenticate": 'Bearer error="invalid_token"'})
        if not claims:
            return Response(status_code=401, headers={"www-authenticate": "Bearer"})
        return JSONResponse(_user(claims["sub"]).claims)

    async def rotate(self, request: Request) -> Response:
        if not _is_json(request):
            return Response(status_code=415)
        self._issuer.rotate()
        return Response(status_code=204)

    async def mint(self, request: Request) -> Response:
        """The claims of an ordinary token, with those sent put over them."""
        if not _is_json(request):
            return Response(status_code=415)
        sent: dict[str, Any] = await request.json()
        ordinary = self._issuer.claims(_user(sent.get("sub", "alice")), "authz", "", DEFAULT_AUDIENCE)
        return JSONResponse({"access_token": self._issuer.sign(ordinary | sent)})


async def _form(request: Request) -> grants.Request:
    items = [(name, str(value)) for name, value in (await request.form()).multi_items()]
    return grants.Request(request.method, str(request.url), dict(_titled(request)), items)


def _query(request: Request) -> grants.Request:
    items = request.query_params.multi_items()
    return grants.Request(request.method, str(request.url), dict(_titled(request)), items)


def _titled(request: Request) -> list[tuple[str, str]]:
    """Authlib looks for `Authorization`, ASGI has `authorization`."""
    return [(name.title(), value) for name, value in request.headers.items()]


def _user(name: str) -> User:
    return USERS.get(name, User(name))


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0] == "application/json"
