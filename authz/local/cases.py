"""The demonstration as a table: requests to the sample hosts, and what must come of each.

The stages are gone through in order; what one has broken stays broken in the next.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from authz.core.metadata import WELL_KNOWN
from authz.core.reason import Reason
from authz.local import words
from authz.local.forged import Wallet
from authz.local.laptop import Laptop
from authz.local.raw import Answer
from authz.local.words import NO_ANSWER, NO_ROUTE

ACCOUNT = "account.localhost/"
ORDERS = "shop.localhost/orders"
PRODUCT = "shop.localhost/products/7"
REPORT = "reports.localhost/reports/7"
PANEL = "dashboard.localhost/d/1"

METADATA = f"http://account.localhost{WELL_KNOWN}"

PASSED = "passes"
SILENT = {404: NO_ROUTE, 503: NO_ANSWER}  # where Envoy answers without a body
RBAC = "RBAC: access denied"
NOT_A_JWT = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and the answer that is expected.

    `bearer` is a name in `forged.TOKENS`; `sees` are headers at the workload, "" if it may not be there.
    """

    name: str
    target: str
    status: int
    why: str = PASSED
    method: str = "GET"
    bearer: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    port: str = ""
    challenge: str = ""
    sees: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def lines(self, wallet: Wallet) -> list[tuple[str, str]]:
        """The headers to send."""
        token = [("authorization", f"Bearer {wallet.token(self.bearer)}")] if self.bearer else []
        return [("host", self.target.partition("/")[0] + self.port), *token, *self.headers]

    @property
    def path(self) -> str:
        """The request target, raw."""
        return "/" + self.target.partition("/")[2]

    def faults(self, answer: Answer) -> list[str]:
        """What is not as expected; nothing if all is."""
        seen = answer.document.get("headers", {})
        found = [
            *([] if answer.status == self.status else [f"status {answer.status}"]),
            *([] if why(answer) == self.why else [why(answer)]),
            *(
                f"{name} is {seen.get(name)}"
                for name, value in self.sees.items()
                if seen.get(name, "") != value
            ),
        ]
        if self.challenge not in answer.headers.get("www-authenticate", ""):
            found.append(f"challenge {answer.headers.get('www-authenticate')}")
        return found


def why(answer: Answer) -> str:
    """The reason that a refusal gives: ours by name, the mesh's by its words."""
    if answer.status == 200:
        return PASSED
    if not answer.body:
        return SILENT.get(answer.status, "no reason")
    return str(answer.document.get("reason") or words.of_body(answer.body))


@dataclass(frozen=True, slots=True)
class Stage:
    """What happens, and the requests that follow it."""

    title: str
    act: Callable[[Laptop], Awaitable[None]]
    cases: tuple[Case, ...]


async def _nothing(_: Laptop) -> None:
    """All parts run."""


def _refused(name: str, bearer: str, reason: Reason) -> Case:
    return Case(
        name,
        ACCOUNT,
        reason.status,
        reason.name,
        bearer=bearer,
        challenge=f'error="{reason.error}"' if reason.error else f'resource_metadata="{METADATA}"',
    )


_SECOND = (("authorization", "Bearer x"),)
_MALLORY = (("x-auth-subject", "mallory"), ("x_auth_subject", "mallory"))
_NOBODY = {"x-auth-subject": "", "x_auth_subject": ""}
_ALICE = {"x-auth-subject": "alice", "x_auth_subject": ""}

TOKENS = (
    _refused("no token", "", Reason.TOKEN_MISSING),
    Case("a good token", ACCOUNT, 200, bearer="good", sees=_ALICE),
    _refused("garbage", "garbage", Reason.TOKEN_MALFORMED),
    _refused("expired", "expired", Reason.TOKEN_EXPIRED),
    _refused("for another audience", "audience", Reason.AUDIENCE_MISMATCH),
    _refused("of another issuer", "issuer", Reason.ISSUER_UNKNOWN),
    _refused("alg none", "none", Reason.ALGORITHM_REFUSED),
    _refused("HS256 with the public key", "hs256", Reason.ALGORITHM_REFUSED),
    _refused("unknown kid", "unknown-key", Reason.KEY_UNKNOWN),
    _refused("another's key under our kid", "same-name", Reason.SIGNATURE_INVALID),
    _refused("an ID token", "identity", Reason.TOKEN_KIND),
    Case("two Authorization headers", ACCOUNT, 400, "CREDENTIAL_AMBIGUOUS", bearer="good", headers=_SECOND),
)
RULES = (
    Case("a public path", PRODUCT, 200),
    Case("scope missing", ORDERS, 403, "SCOPE_MISSING", bearer="writer", challenge='scope="orders:read"'),
    Case("scope to read", ORDERS, 200, bearer="reader", sees={"x-auth-scopes": "orders:read"}),
    Case("scope to write", ORDERS, 200, method="POST", bearer="writer"),
    Case("reading does not write", ORDERS, 403, "SCOPE_MISSING", method="POST", bearer="reader"),
    Case("a method that no rule lists", ORDERS, 404, NO_ROUTE, method="DELETE", bearer="writer"),
    Case("a path that no rule lists", "shop.localhost/admin", 404, NO_ROUTE, bearer="reader"),
    Case("a host that no rule lists", "admin.localhost/", 404, NO_ROUTE, bearer="good"),
)
TRICKS = (
    Case("Host with a port", ORDERS, 401, "TOKEN_MISSING", port=":1234"),
    Case("HOST in capitals", "SHOP.LOCALHOST/orders", 401, "TOKEN_MISSING"),
    Case("Host with a dot at its end", "shop.localhost./orders", 404, NO_ROUTE),
    Case("// before a protected path", "shop.localhost//orders", 400, "PATH_AMBIGUOUS"),
    Case("dots in a public path", "shop.localhost/products/../orders", 401, "TOKEN_MISSING"),
    Case("the same, encoded", "shop.localhost/products/%2e%2e/orders", 401, "TOKEN_MISSING"),
    Case("an encoded slash", "shop.localhost/products/..%2forders", 400, "PATH_AMBIGUOUS"),
    Case("the same, with a path parameter", "shop.localhost/products/..;x/orders", 401, "TOKEN_MISSING"),
    Case("a path parameter", "shop.localhost/products/7;x/orders", 400, "PATH_AMBIGUOUS"),
    Case("a query like a public path", "shop.localhost/orders?x=/products/7", 401, "TOKEN_MISSING"),
    Case("an identity from the client, public", PRODUCT, 200, headers=_MALLORY, sees=_NOBODY),
    Case(
        "an identity from the client, signed in", ACCOUNT, 200, bearer="good", headers=_MALLORY, sees=_ALICE
    ),
)
MESH = (
    Case("mesh: public", "reports.localhost/health", 200),
    Case("mesh: no token", REPORT, 403, RBAC),
    Case("mesh: scope missing", REPORT, 403, RBAC, bearer="good"),
    Case("mesh: right scope", REPORT, 200, bearer="analyst"),
    Case("mesh: expired", REPORT, 401, "Jwt is expired", bearer="expired"),
    Case("mesh: garbage", REPORT, 401, NOT_A_JWT, bearer="garbage"),
    Case("mesh: alg none", REPORT, 401, NOT_A_JWT, bearer="none"),
    Case("mesh: another's key", REPORT, 401, "Jwt verification fails", bearer="same-name"),
    Case("gateway: no token", PANEL, 401, "TOKEN_MISSING"),
    Case("gateway: Host with a port", PANEL, 401, "TOKEN_MISSING", port=":3000"),
    Case("gateway: a good token", PANEL, 200, bearer="good", headers=_MALLORY, sees=_ALICE),
)
ROTATED = (
    Case("a token of the new key", ACCOUNT, 200, bearer="new"),
    _refused("a token of the old key", "good", Reason.KEY_UNKNOWN),
)
WITHOUT_IDP = (
    Case("a token of a known key", ACCOUNT, 200, bearer="new"),
    _refused("no token", "", Reason.TOKEN_MISSING),
)
WITHOUT_AUTHORIZER = (
    Case("a protected path", ACCOUNT, 503, NO_ANSWER, bearer="new"),
    Case("a protected path, no token", ACCOUNT, 503, NO_ANSWER),
    Case("a host enforced at the gateway", PANEL, 503, NO_ANSWER, bearer="new"),
    Case("a public path", PRODUCT, 200),
    Case("a path the mesh checks itself", REPORT, 403, RBAC),
)

STAGES = (
    Stage("Tokens", _nothing, TOKENS),
    Stage("Rules", _nothing, RULES),
    Stage("Tricks", _nothing, TRICKS),
    Stage("Decided by the mesh, or at the gateway", _nothing, MESH),
    Stage("The identity provider has a new key", Laptop.rotate_keys, ROTATED),
    Stage("The identity provider is down", Laptop.stop_idp, WITHOUT_IDP),
    Stage("The authorizer is down", Laptop.stop_authorizer, WITHOUT_AUTHORIZER),
)
