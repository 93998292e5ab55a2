"""What YAML files and folders hold, as documents; what can not be read is reported as `FILE: message`."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from authz import documents


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document and the file it stands in."""

    file: str
    body: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The Kubernetes kind, or nothing."""
        kind = self.body.get("kind")
        return kind if isinstance(kind, str) else ""

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name; both may be missing from a bad document."""
        metadata = self.body.get("metadata")
        named = metadata if isinstance(metadata, dict) else {}
        namespace, name = named.get("namespace", "default"), named.get("name", "")
        return (namespace, name) if isinstance(namespace, str) and isinstance(name, str) else ("", "")


@dataclass(frozen=True, slots=True)
class Read:
    """What files hold: documents that parse, the files that do not, and problems with those."""

    documents: tuple[Document, ...]
    broken: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()


def read(paths: Iterable[Path], *, pipes: bool = False) -> Read:
    """YAML files, and those in folders (not deeper), in the order of their names.

    With `pipes`, also what is waited for: /dev/stdin, or what a shell makes of <(…).
    """
    found: list[Document] = []
    broken: set[str] = set()
    problems: list[str] = []
    for file in expand(paths):
        try:
            bodies = _bodies(file, pipes=pipes)
        except documents.Malformed as error:
            broken.add(str(file))
            problems.append(f"{file}: {error}")
            continue
        found += [Document(str(file), body) for body in bodies if isinstance(body, dict)]
        problems += [
            f"{file}: a mapping is expected, not a {type(body).__name__}"
            for body in bodies
            if body is not None and not isinstance(body, dict)
        ]
    return Read(tuple(found), frozenset(broken), tuple(problems))


def _bodies(file: Path, *, pipes: bool) -> list[Any]:
    """A pipe is not waited for, and what has gone may come back: `broken` keeps its last good rules."""
    if file.exists() and not (file.is_file() or (pipes and file.is_fifo())):
        raise documents.Malformed("can not be read: it is not a regular file")
    try:
        return documents.read(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise documents.Malformed(f"can not be read: {error}") from error


def expand(paths: Iterable[Path]) -> list[Path]:
    """The files themselves. Hidden ones are left out: a mounted ConfigMap keeps its versions there.

    What is not there, or is a folder that may not be looked into, stands for itself.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() and os.access(path, os.R_OK | os.X_OK) else [path]
        found += [
            file
            for file in inside
            if file == path or (file.suffix in (".yaml", ".yml") and not file.name.startswith("."))
        ]
    return found
