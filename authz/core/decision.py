"""The answer to one request: allowed with these headers, or refused for this reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from authz.core.policy import Rule
from authz.core.reason import Reason


@dataclass(frozen=True, slots=True)
class Allow:
    """Pass the request on with `headers` set and `remove` taken out."""

    reason: Reason
    rule: Rule
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deny:
    """Refuse it. `rule` matched, if any did; `scopes` go into the challenge, `note` into the log alone."""

    reason: Reason
    rule: Rule | None = None
    scopes: tuple[str, ...] = ()
    note: str = ""


Decision = Allow | Deny
