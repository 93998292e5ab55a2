"""The answer to one request: allowed with these headers, or refused for this reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from authz.core.policy import Rule
from authz.core.reason import Reason


class Allow(NamedTuple):
    """Pass the request on with `headers` set and `remove` taken out. A tuple as `Request` is, and why."""

    reason: Reason
    rule: Rule
    headers: Mapping[str, str] = MappingProxyType({})
    remove: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without the headers: they tell who is calling."""
        return f"Allow({self.reason.name}, {self.rule.name})"


@dataclass(frozen=True, slots=True)
class Deny:
    """Refuse it. `rule` matched, if any did; `scopes` go into the challenge, `note` into the log alone."""

    reason: Reason
    rule: Rule | None = None
    scopes: tuple[str, ...] = ()
    note: str = ""


Decision = Allow | Deny
