"""Documents become old rules: APIRules of Kyma, Oathkeeper's Rules, access rules and configuration, clients.

What can not be read is a problem that names its place; it stops nothing else.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from authz import documents
from authz.migrate.old import kinds
from authz.migrate.old.kinds import Bad
from authz.migrate.old.rule import Client, Object, Settings, Strategy, World

_ORYS = frozenset({"oathkeeper.ory.sh", "hydra.ory.sh"})


def read(found: Iterable[tuple[str, Any]], settings: Settings | None = None) -> World:
    """All of them, each with the file it stands in. `settings` come before any among the documents."""
    reader = _Reader(settings)
    held = sorted(found, key=lambda one: not _is_of_settings(one[1]))  # they say how the others are read
    for file, body in held:
        if isinstance(body, Mapping) and kinds.is_settings(body):
            reader.configure(file, body)
    for file, body in held:
        reader.take(file, body)
    return reader.world()


class _Reader:
    def __init__(self, given: Settings | None) -> None:
        self._settings = given
        self._is_given = given is not None
        self._objects: list[Object] = []
        self._clients: list[Client] = []
        self._others: list[Mapping[str, Any]] = []
        self._problems: list[str] = []

    def world(self) -> World:
        return World(
            _without_derived(self._objects),
            self._settings,
            tuple(self._clients),
            tuple(self._others),
            tuple(self._problems),
        )

    def configure(self, file: str, body: Mapping[str, Any]) -> None:
        if self._settings and not self._is_given:
            self._problems.append(
                f"{file}: a second configuration of Oathkeeper, after {self._settings.file}"
            )
        elif self._settings is None:
            self._settings = kinds.settings(file, body)

    def take(self, file: str, body: Any) -> None:
        if body is None or (isinstance(body, Mapping) and kinds.is_settings(body)):
            return
        if isinstance(body, list):  # an access-rule file is a list
            for index, one in enumerate(body):
                self._try(file, one, f"[{index}]")
        else:
            self._try(file, body, "")

    def _try(self, file: str, body: Any, at: str) -> None:
        try:
            self._sort(file, body)
        except Bad as bad:
            self._problems.append(f"{file}: {at + ': ' if at else ''}{bad}")

    def _sort(self, file: str, body: Any) -> None:
        if not isinstance(body, Mapping):
            raise Bad(f"a mapping is expected, not a {type(body).__name__}")
        if kinds.is_ours(body):
            return
        version, kind = str(body.get("apiVersion", "")), str(body.get("kind", ""))
        if kind.endswith("List"):
            inner = {"apiVersion": version, "kind": kind.removesuffix("List")}
            for item in kinds.sequence(body.get("items")):
                self._try(file, {**inner, **kinds.mapping(item)}, "")
        elif kind == "APIRule" or "kind" not in body:
            self._rules(file, kind, body)
        elif version.partition("/")[0] in _ORYS:
            self._of_ory(file, kind, body)
        elif kind == "ConfigMap" and (inside := list(kinds.of_config_map(body))):
            for key, text in inside:
                self._embedded(f"{file}: data[{key}]", text)
        else:
            self._others.append(body)

    def _rules(self, file: str, kind: str, body: Mapping[str, Any]) -> None:
        if kind == "APIRule":
            self._objects += kinds.apirules(file, body)
        elif "match" in body:
            self._objects.append(kinds.access_rule(file, body, self._strategy))
        else:
            raise Bad("it is no APIRule, Rule, access rule, OAuth2Client or configuration of Oathkeeper")

    def _of_ory(self, file: str, kind: str, body: Mapping[str, Any]) -> None:
        origin = kinds.origin_of(file, "Rule", body)
        if kind == "OAuth2Client":
            spec = kinds.mapping(body.get("spec"))
            self._clients.append(Client(file, origin.namespace, origin.name, spec))
        elif kind == "Rule":
            self._objects.append(kinds.rule(file, body, self._strategy))
        else:
            raise Bad(f"{kind}: nobody here knows such an object of ORY")

    @property
    def _strategy(self) -> Strategy:
        return self._settings.strategy if self._settings else "oathkeeper"

    def _embedded(self, file: str, text: str) -> None:
        try:
            bodies = documents.read(text)
        except documents.Malformed as error:
            raise Bad(f"{file}: {error}") from error
        for body in bodies:
            if isinstance(body, Mapping) and kinds.is_settings(body):
                self.configure(file, body)
            self.take(file, body)


def _is_of_settings(body: Any) -> bool:
    """A ConfigMap with Oathkeeper's own configuration comes first, too."""
    return isinstance(body, Mapping) and any(
        kinds.of_configuration(text)
        for _, text in kinds.of_config_map(body)
        if body.get("kind") == "ConfigMap"
    )


def _without_derived(objects: Iterable[Object]) -> tuple[Object, ...]:
    """Kyma made Rules of APIRules: where those are here too, they speak for themselves."""
    found = list(objects)
    known = {one.origin.key for one in found if one.origin.kind == "APIRule"}
    return tuple(one for one in found if not (one.origin.kind == "Rule" and kinds.owner(one.body) in known))
