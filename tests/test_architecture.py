"""The rooms and who may import whom: the table of `docs/architecture.md`, read from the code."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "authz"

# room -> (rooms of ours it may import, libraries it may import)
ROOMS: dict[str, tuple[set[str], set[str]]] = {
    "core": (set(), {"cryptography", "joserfc", "re2"}),
    "sources": ({"core"}, {"aiohttp", "authlib", "cachetools", "httpx", "joserfc", "yarl"}),
    "check": ({"core", "sources"}, set()),
    "documents": (set(), {"yaml"}),
    "values": (set(), {"pydantic"}),
    "writing": (set(), set()),
    "accept": ({"core", "values"}, {"pydantic"}),
    "tokens": ({"values"}, {"pydantic"}),
    "observed": ({"values"}, {"pydantic"}),
    "mesh": ({"values"}, {"pydantic"}),
    "config": (
        {"accept", "core", "documents", "mesh", "observed", "tokens", "values"},
        {"pydantic", "pydantic_core"},
    ),
    "example": ({"config", "values"}, {"pydantic", "yaml"}),
    "istio": ({"core", "documents"}, {"pydantic", "pydantic_core"}),
    "server": (
        {
            "accept",
            "check",
            "config",
            "controller",
            "core",
            "documents",
            "istio",
            "observed",
            "sources",
            "tokens",
        },
        {
            "aiohttp",
            "cryptography",
            "google",
            "grpc",
            "grpc_health",
            "hpack",
            "httpx",
            "opentelemetry",
            "prometheus_client",
            "starlette",
            "structlog",
            "uvicorn",
            "uvloop",
            "yaml",
        },
    ),
    "controller": (
        {"config", "core", "documents", "istio", "server"},
        {"aiohttp", "orjson", "prometheus_client", "structlog", "uvloop"},
    ),
    "local": (
        {"core", "config", "controller", "istio", "server", "sources"},
        {
            "authlib",
            "betterproto2",
            "cryptography",
            "envoy",
            "envoy_data_plane",
            "h11",
            "httpx",
            "joserfc",
            "starlette",
            "uvicorn",
            "yaml",
        },
    ),
    "migrate": (
        {
            "accept",
            "check",
            "config",
            "controller",
            "core",
            "documents",
            "istio",
            "server",
            "sources",
            "values",
            "writing",
        },
        {"aiohttp", "re2", "starlette", "yarl"},
    ),
    "cli": (
        {
            "config",
            "controller",
            "core",
            "documents",
            "example",
            "istio",
            "local",
            "migrate",
            "server",
            "writing",
        },
        {"click"},
    ),
    "__main__": ({"cli"}, set()),
}

# The migration's folders, and which of the others each may import.
MIGRATION: dict[str, set[str]] = {
    "language": set(),
    "old": set(),
    "report": {"old"},
    "paths": {"language", "old"},
    "verification": {"old", "paths", "report"},
    "conversion/model": {"old", "report"},
    "conversion/pipeline": {"conversion/model", "old", "report"},
    "conversion/together": {"conversion/model", "language", "old", "paths", "report"},
    "conversion": {
        "conversion/model",
        "conversion/pipeline",
        "conversion/together",
        "language",
        "old",
        "paths",
        "report",
        "verification",
    },
    "stages": {"old", "report", "verification"},
}

# What must not even be named there, whoever offers it.
FORBIDDEN = {
    "core": {"asyncio", "time", "datetime", "logging", "random", "secrets", "socket", "os"},
    "istio": {"asyncio", "time", "logging", "random", "secrets", "socket", "os"},
    "sources": {"logging", "random"},
}
WIRE = "ext_authz_pb2"
GENERATED = {"ext_authz_pb2.py"}

FILE_MAX_LINES = 250
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name not in GENERATED)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@dataclass(frozen=True, slots=True)
class Module:
    """What is asked of a file."""

    imports: tuple[str, ...]
    waits: bool
    opening: str | None
    lines: int


@cache
def read(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    waits = any(isinstance(node, ast.AsyncFunctionDef | ast.Await) for node in nodes)
    return Module(tuple(imports(path, nodes)), waits, ast.get_docstring(tree), len(text.splitlines()))


def imports(path: Path, nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def may(here: str, name: str) -> bool:
    """Whether the table lets a room import it."""
    ours, libraries = ROOMS[here]
    top, _, rest = name.partition(".")
    if top == "authz":
        return rest.split(".")[0] in ours | {here, "__version__"}
    return (top in libraries or top in sys.stdlib_module_names) and top not in FORBIDDEN.get(here, set())


@pytest.mark.parametrize("here", ROOMS)
def test_a_room_imports_only_what_the_table_allows(here):
    found = [(path, name) for path in MODULES if room(path) == here for name in read(path).imports]
    assert found
    assert [f"{path}: {name}" for path, name in found if not may(here, name)] == []


def folder_of(name: str) -> str:
    """Of a module of the migration, or of what is in it: the innermost folder."""
    path = PACKAGE / "migrate" / name.replace(".", "/")
    while not path.is_dir():
        path = path.parent
    return str(path.relative_to(PACKAGE / "migrate"))


@pytest.mark.parametrize("folder", MIGRATION)
def test_a_folder_of_the_migration_imports_only_what_the_table_allows(folder):
    prefix = "authz.migrate."
    used = {
        folder_of(name.removeprefix(prefix))
        for path in (PACKAGE / "migrate" / folder).glob("*.py")
        for name in read(path).imports
        if name.startswith(prefix)
    }
    assert used <= MIGRATION[folder] | {folder}


def test_every_folder_of_the_migration_has_a_row():
    root = PACKAGE / "migrate"
    folders = {str(path.parent.relative_to(root)) for path in MODULES if room(path) == "migrate"} - {"."}
    assert folders == set(MIGRATION)


def test_only_wire_knows_envoys_messages():
    knowing = {path.name for path in MODULES if any(WIRE in name for name in read(path).imports)}
    assert knowing == {"wire.py"}


def test_core_and_istio_never_wait():
    for path in MODULES:
        if room(path) in ("core", "istio"):
            assert not read(path).waits, path


def test_a_file_is_a_noun_of_one_page_that_says_what_it_is():
    assert [path for path in MODULES if read(path).lines > FILE_MAX_LINES] == []
    assert [path for path in MODULES if not read(path).opening] == []


def test_anything_is_caught_in_two_places_only():
    """`rpc`, where a failure is a refusal, and `loop`, which outlives what it calls."""
    blanket = re.compile(r"except\s*(?:\(?\s*(?:Base)?Exception\b.*)?:", re.MULTILINE)
    catching = {path.name for path in MODULES if blanket.search(path.read_text(encoding="utf-8"))}
    assert catching == {"service.py", "reload.py"}


def test_every_room_has_a_row():
    assert {room(path) for path in MODULES} - {"__init__"} == set(ROOMS)
