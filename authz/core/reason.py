"""Why a request was allowed or refused: one row for each answer the authorizer can give.

The row feeds the response, the challenge, the metric label, the log line and `docs/reasons.md`;
no other place in the code may decide a status or invent a text.
"""

from enum import Enum

from authz.core.policy import Session


class Reason(Enum):
    """An outcome: HTTP status, RFC 6750 section 3.1 error code ("" if none), text for the caller."""

    PUBLIC = (200, "", "The rule asks for no credential.")
    AUTHORIZED = (200, "", "The credential is valid and meets the rule.")
    RESOURCE_DESCRIBED = (200, "", "The request asks how to get a token, and is told.")

    PATH_AMBIGUOUS = (400, "", "The path can be read in more than one way.")
    REQUEST_INVALID = (400, "", "The request has no usable method, host or path.")
    CREDENTIAL_AMBIGUOUS = (
        400,
        "invalid_request",
        "The request carries more than one credential of a kind.",
    )

    SIGN_IN = (302, "", "The browser is sent to sign in.")

    TOKEN_MISSING = (401, "", "The request carries no token.")
    SESSION_MISSING = (401, "", "The request carries neither a token nor a session.")
    SESSION_ENDED = (401, "", "The session has ended.")
    TOKEN_MALFORMED = (401, "invalid_token", "The token is not a well-formed signed JWT.")
    TOKEN_INACTIVE = (401, "invalid_token", "The token's issuer says that it is not active.")
    TOKEN_TOO_LONG = (401, "invalid_token", "The token is too long.")
    TOKEN_KIND = (401, "invalid_token", "The token is not an access token.")
    ALGORITHM_REFUSED = (401, "invalid_token", "The token's algorithm is not accepted.")
    ISSUER_UNKNOWN = (401, "invalid_token", "The token's issuer is not accepted here.")
    KEY_UNKNOWN = (401, "invalid_token", "The token was signed with a key its issuer does not list.")
    SIGNATURE_INVALID = (401, "invalid_token", "The token's signature is wrong.")
    CLAIMS_MALFORMED = (401, "invalid_token", "A registered claim is missing or has the wrong type.")
    TOKEN_EXPIRED = (401, "invalid_token", "The token has expired.")
    TOKEN_NOT_YET_VALID = (401, "invalid_token", "The token is not valid yet.")
    AUDIENCE_MISMATCH = (401, "invalid_token", "The token is meant for another audience.")

    SCOPE_MISSING = (403, "insufficient_scope", "The token lacks a scope that the rule requires.")
    SESSION_FORBIDDEN = (403, "", "The signed-in user is not among those whom the rule admits.")
    IDENTITY_UNUSABLE = (403, "", "A claim can not be passed on as a header.")
    HOST_UNKNOWN = (403, "", "No APIRule covers this host.")
    RULE_MISSING = (403, "", "No rule of this host covers this method and path.")
    AUTHORIZER_ELSEWHERE = (403, "", "The rule's authorizer is not one of this service, or is for nobody.")

    RESOURCE_UNPROTECTED = (404, "", "No token is asked for at this path.")

    SOURCE_UNAVAILABLE = (503, "", "The identity provider did not answer.")
    NOT_READY = (503, "", "The authorizer has no policy yet.")
    INTERNAL_ERROR = (503, "", "The authorizer failed to decide.")

    __hash__ = object.__hash__  # each is one object; Enum's own hashes the name anew each time

    def __init__(self, status: int, error: str, text: str) -> None:
        self.status = status
        self.error = error
        self.text = text

    @property
    def slug(self) -> str:
        """The name as it stands in URIs and anchors: `token-expired`."""
        return self.name.lower().replace("_", "-")

    @property
    def allows(self) -> bool:
        """True for the rows that let the request pass."""
        return self.status == 200


class Refused(Exception):
    """The caller's fault: caught once, in `check`. `scopes` are those the rule would accept.

    `sign_in` is where a browser may come by what it lacks; `cookies` are to reach it whatever happens.
    """

    def __init__(
        self,
        reason: Reason,
        scopes: tuple[str, ...] = (),
        sign_in: Session | None = None,
        cookies: tuple[str, ...] = (),
    ) -> None:
        super().__init__(reason.name)
        self.reason = reason
        self.scopes = scopes
        self.sign_in = sign_in
        self.cookies = cookies


class Unavailable(Exception):
    """A source's fault: it did not answer, or answered nonsense. `check` makes it a 503.

    The message is for the operator's log. It names the source, never a credential.
    """
