"""The answer to one request: allowed with these headers, refused for this reason, or answered here."""

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
    """Refuse it. `rule` matched, if any did; `scopes` and `metadata` go into the challenge.

    `metadata` is where the resource is described, if it is; `note` goes into the log alone.
    """

    reason: Reason
    rule: Rule | None = None
    scopes: tuple[str, ...] = ()
    note: str = ""
    metadata: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer it here with this JSON document; the workload is not asked."""

    reason: Reason
    document: str
    rule: Rule | None = None


Decision = Allow | Deny | Answer
