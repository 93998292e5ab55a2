"""One old rule, judged by itself: what it becomes, before it is known what stands beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authz.core.path import Path
from authz.core.path import parse as parse_path
from authz.migrate.conversion.model.access import Access, Nobody, Public, Way
from authz.migrate.conversion.model.added import Added
from authz.migrate.old.rule import Old

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")


@dataclass(frozen=True, slots=True)
class Made:
    """`workload` is the Service, `namespace/name`. Several `access` are alternatives, tried in order."""

    old: Old
    templates: tuple[str, ...]
    methods: tuple[str, ...]
    access: tuple[Access, ...]
    added: Added
    service: Mapping[str, Any]
    workload: str

    @property
    def goes_to(self) -> tuple[str, Any]:
        """The Service and its port: by its own name alone two of different namespaces would be one."""
        return self.workload, self.service["port"]

    def service_in(self, namespace: str) -> dict[str, Any]:
        """The Service as an APIRule of that namespace names it."""
        where, _, name = self.workload.partition("/")
        apart = {"namespace": where} if where not in ("", namespace) else {}
        return {"name": name, **apart, "port": self.service["port"]}

    @property
    def anonymous(self) -> str | None:
        """What an authorizer calls those who show nothing; None if there is none, or nobody of that kind."""
        found = next((one for one in self.access if isinstance(one, Public)), None)
        return found.subject if found and (found.silent or self.ways) else None

    @property
    def is_public(self) -> bool:
        """Everyone may pass, whatever they show."""
        return self.anonymous is None and any(isinstance(one, Public) for one in self.access)

    @property
    def is_checked(self) -> bool:
        """Somebody has to look at what callers show."""
        return bool(self.ways) or self.anonymous is not None

    @property
    def is_shut(self) -> bool:
        """Nobody may."""
        return any(isinstance(one, Nobody) for one in self.access)

    @property
    def ways(self) -> tuple[Way, ...]:
        """What callers may show."""
        return tuple(one for one in self.access if isinstance(one, Way))

    @property
    def fits_mesh(self) -> bool:
        """Istio alone can check it: one kind of signed token, and nothing told of the caller."""
        tells = self.added.claims or self.added.token is not None
        return len(self.ways) == 1 and bool(self.ways[0].mesh) and not tells and self.anonymous is None

    @property
    def by_mesh(self) -> bool:
        """Istio alone did."""
        return any(way.by_mesh for way in self.ways)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of an APIRule to be: a path of an old rule."""

    made: Made
    template: str
    methods: tuple[str, ...]
    path: Path

    @classmethod
    def of(cls, made: Made) -> "tuple[Rule, ...]":
        """One for each of its paths."""
        return tuple(cls(made, one, made.methods, parse_path(one)) for one in made.templates)


def literal(template: str) -> str:
    """A path of the template's."""
    return template.replace("/*", "/x").replace("{**}", "x").replace("{*}", "x")
