"""The answer to one request: allowed with these headers, refused for this reason, or answered here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from authz.core.identity import Caller
from authz.core.policy import IdentityToken, Rule
from authz.core.reason import Reason


class Form(Enum):
    """What a refusal looks like: problem+json (RFC 9457), a page for a person, gRPC's status, or no body."""

    PROBLEM = "problem"
    PAGE = "page"
    GRPC = "grpc"
    NOTHING = "nothing"


class Vouched(NamedTuple):
    """For whom a workload wants a token, and what it is to say. `host` is the one that was asked for."""

    caller: Caller
    token: IdentityToken
    host: str


class Allow(NamedTuple):
    """Pass the request on with `headers` set and `remove` taken out; `cookies` are for the browser.

    The token of who is `vouched` for is signed later; until then its header is among those removed.
    A tuple as `Request` is, and why.
    """

    reason: Reason
    rule: Rule
    headers: Mapping[str, str] = MappingProxyType({})
    remove: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    vouched: Vouched | None = None

    def __repr__(self) -> str:
        """Without the headers: they tell who is calling."""
        return f"Allow({self.reason.name}, {self.rule.name})"


@dataclass(frozen=True, slots=True)
class Deny:
    """Refuse it. `rule` matched, if any did; `scopes` and `metadata` go into the challenge.

    `metadata` is where the resource is described, if it is; `note` goes into the log alone. `headers`
    stand beside those that follow from the reason; `cookies` are `Set-Cookie` values.
    """

    reason: Reason
    rule: Rule | None = None
    scopes: tuple[str, ...] = ()
    note: str = ""
    metadata: str = ""
    form: Form = Form.PROBLEM
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    cookies: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer it here with this JSON document; the workload is not asked."""

    reason: Reason
    document: str
    rule: Rule | None = None


Decision = Allow | Deny | Answer
