"""The one normal form of an old rule, whatever it was written as: an APIRule's, an Oathkeeper's.

Values as they stand in the document; nothing is judged here, and nothing of it is left out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

# How a path is written. regex: as a whole (APIRule); oathkeeper: text with <regexes>; glob: with <globs>.
Strategy = Literal["regex", "oathkeeper", "glob"]
Kind = Literal["APIRule", "Rule", "access rule", "OAuth2Client", "configuration", "conversion"]

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Origin:
    """The document that a rule stands in. An access rule has no namespace, and its `id` for a name."""

    file: str
    kind: Kind
    name: str
    namespace: str = ""
    version: str = ""  # of an APIRule: v1alpha1, v1beta1

    @property
    def key(self) -> str:
        """`namespace/name`, or the name alone."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path or a host as it is written."""

    text: str
    strategy: Strategy = "regex"


@dataclass(frozen=True, slots=True)
class Handler:
    """One of the pipeline. `at` is its place in the document; what it is set to may hold credentials."""

    name: str
    config: Mapping[str, Any] = field(default_factory=lambda: NOTHING, repr=False)
    at: str = ""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where requests go: a Service, or what else an Oathkeeper's `upstream.url` says."""

    service: str = ""
    namespace: str = ""
    port: int | None = None
    url: str = ""
    strip_path: str = ""
    preserve_host: bool = False
    at: str = ""


@dataclass(frozen=True, slots=True)
class Old:
    """One rule. What an APIRule says for all of its rules stands in each; `index` is the rule's place.

    `at` is where the rule stands in its document: `spec.rules[2]`, or nothing. `hosts` of an APIRule are
    one; `cors` is None where nothing is said. `timeout_s` is the rule's, else its APIRule's.
    """

    origin: Origin
    index: int
    at: str
    hosts: tuple[Pattern, ...]
    path: Pattern
    methods: tuple[str, ...]
    authenticators: tuple[Handler, ...]
    authorizer: Handler = Handler("allow")
    mutators: tuple[Handler, ...] = ()
    errors: tuple[Handler, ...] = ()
    upstream: Upstream = Upstream()
    schemes: tuple[str, ...] = ("http", "https")
    cors: Mapping[str, Any] | None = None
    timeout_s: int | None = None
    gateway: str = ""

    @property
    def handlers(self) -> tuple[str, ...]:
        """Of its authenticators, by name."""
        return tuple(handler.name for handler in self.authenticators)

    def field(self, name: str) -> str:
        """Where that of it stands in its document."""
        return f"{self.at}.{name}".removeprefix(".")

    @property
    def path_at(self) -> str:
        """Where its path is written."""
        return self.field("path" if self.origin.kind == "APIRule" else "match.url")

    def named_beside(self, other: "Old") -> str:
        """Where its path is written, and in what document, if that is not the other's."""
        return self.path_at if self.origin == other.origin else f"{self.origin} ({self.path_at})"

    @property
    def by_oathkeeper(self) -> bool:
        """False where the gateway led straight to the service, or the mesh checked the tokens."""
        if self.origin.kind != "APIRule":
            return True
        return not {"allow", "no_auth"}.issuperset(self.handlers) and not self.by_mesh

    @property
    def by_mesh(self) -> bool:
        """An APIRule's `jwt` in the words of Istio."""
        return checked_by_mesh(self.authenticators)


def checked_by_mesh(strategies: Iterable[Handler]) -> bool:
    """An APIRule's `jwt` in the words of Istio is among them."""
    return any(one.name == "jwt" and "authentications" in one.config for one in strategies)


@dataclass(frozen=True, slots=True)
class Object:
    """A document that was read, as a whole: what its rules do not say is found here, and reported."""

    origin: Origin
    body: Mapping[str, Any] = field(repr=False)
    rules: tuple[Old, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """Oathkeeper's own configuration: of each handler, whether it is on and what it is set to.

    `written` is the file as it stands; `file` names it, or who else says so.
    """

    file: str
    authenticators: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: NOTHING, repr=False)
    authorizers: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: NOTHING, repr=False)
    mutators: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: NOTHING, repr=False)
    errors: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: NOTHING, repr=False)
    fallback: tuple[str, ...] = ("json",)
    strategy: Strategy = "oathkeeper"
    written: Mapping[str, Any] = field(default_factory=lambda: NOTHING, repr=False)


@dataclass(frozen=True, slots=True)
class Client:
    """A Hydra OAuth2Client."""

    origin_file: str
    namespace: str
    name: str
    spec: Mapping[str, Any] = field(repr=False)

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class World:
    """All that was read, and what could not be: `problems` are like `FILE: path: message`."""

    objects: tuple[Object, ...] = ()
    settings: Settings | None = None
    clients: tuple[Client, ...] = ()
    others: tuple[Mapping[str, Any], ...] = ()  # Services, Gateways and the like
    problems: tuple[str, ...] = ()

    @property
    def rules(self) -> tuple[Old, ...]:
        """Of all objects, in their order."""
        return tuple(rule for one in self.objects for rule in one.rules)
