"""Who may use a rule, between old and new: everybody, nobody, or who shows one of several credentials."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, urlsplit

from authz.migrate.conversion.model.choices import Choices
from authz.migrate.old.rule import Handler, Settings
from authz.migrate.report.rows import Ledger

SECRETS = "/etc/authz/secrets"  # where the configuration looks for what a person mounts


@dataclass(frozen=True, slots=True)
class Public:
    """Everyone, by the name `subject`. If `silent`: who sends no Authorization header."""

    subject: str = ""
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Nobody:
    """A rule that refuses."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A file that a person has to mount. What it holds is never read into a report."""

    path: str
    what: str


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of credential: `accept` as our configuration has it, `mesh` as an APIRule's `jwt`.

    Empty where the one or the other can not say it.
    """

    accept: tuple[Mapping[str, Any], ...] = ()
    mesh: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    secrets: tuple[Secret, ...] = ()
    by_mesh: bool = False  # it was the mesh that checked it before, too
    prefix: str = ""  # of the tokens that it was for; others went on to the next handler


Access = Public | Nobody | Way


@dataclass(frozen=True, slots=True)
class Case:
    """A handler of one rule: what it is set to there, else by Oathkeeper's configuration."""

    handler: Handler
    section: str  # authenticators, authorizers, mutators, errors
    settings: Settings
    choices: Choices
    ledger: Ledger
    access: tuple[Access, ...] = ()  # of the rule, for mutators
    by_mesh: bool = False  # Istio's sidecar decided, and Envoy filled in the mutators

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Of Oathkeeper's configuration."""
        handlers: Mapping[str, Mapping[str, Any]] = getattr(self.settings, self.section)
        found = handlers.get(self.handler.name, {}).get("config")
        return found if isinstance(found, Mapping) else {}

    def get(self, name: str) -> Any:
        """As Oathkeeper merges them: mappings into each other, anything else as a whole."""
        own, default = self.handler.config.get(name), self.defaults.get(name)
        if isinstance(own, Mapping) and isinstance(default, Mapping):
            return {**default, **own}
        return default if own is None else own

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings; one string is a list of one."""
        value = self.get(name)
        if isinstance(value, str):
            return (value,) if value else ()
        return tuple(map(str, value)) if isinstance(value, list) else ()

    def text(self, name: str) -> str:
        """A string, or nothing."""
        value = self.get(name)
        return value if isinstance(value, str) else ""

    def names(self) -> tuple[str, ...]:
        """All settings that are there."""
        return tuple(dict.fromkeys((*self.handler.config, *self.defaults)))

    def at(self, name: str = "") -> str:
        """Where it is written."""
        if name and name not in self.handler.config:
            return f"{self.settings.file}: {self.section}.{self.handler.name}.config.{name}"
        return f"{self.handler.at}.config.{name}" if name else f"{self.handler.at}.handler"


def parts_of(url: str) -> SplitResult:
    """Of an address that a person has written, so that it may be none: then all of it is its path."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", url, "", "")


def site(url: str) -> str:
    """The host of an address and its port, else the text itself: for names of files."""
    return slug(parts_of(url).netloc or url)


def plain_http_host(url: str) -> str:
    """The host of an address without TLS that needs a word in our configuration, or nothing."""
    parts = parts_of(url)
    host = parts.hostname or ""
    is_loopback = host in ("localhost", "127.0.0.1", "::1") or host.endswith(".localhost")
    return host if parts.scheme == "http" and not is_loopback else ""


def slug(name: str) -> str:
    """For names of files and objects."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "x"
