"""Where old documents are: files, folders with all that is in them, standard input. JSON and YAML.

What can not be read is a problem that names the file; the others are read all the same.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from authz import documents

STANDARD_INPUT = "-"
TEXT_MAX_BYTES = 256 << 20  # 10,000 rules with their Services take some 20 MB

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})

Documents = list[tuple[str, Any]]


def read(paths: Iterable[str]) -> tuple[Documents, list[str]]:
    """Each document with the file it stands in, in the order of names; and problems."""
    found: Documents = []
    problems: list[str] = []
    for path in paths:
        for file in _files(path):
            try:
                found += [(file, body) for body in _bodies(file)]
            except (OSError, ValueError) as error:
                problems.append(f"{file}: can not be read: {error}")
    return found, problems


def _files(path: str) -> Iterator[str]:
    """Folders within folders too, for that is how repositories keep them; hidden ones are left out."""
    if path == STANDARD_INPUT or not Path(path).is_dir():
        yield path
        return
    for folder, inner, names in os.walk(path):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix in _SUFFIXES and not name.startswith("."):
                yield str(Path(folder, name))


def _bodies(file: str) -> list[Any]:
    """Raises OSError or ValueError."""
    text = sys.stdin.read() if file == STANDARD_INPUT else _text(Path(file))
    if not text.lstrip().startswith(("{", "[")):
        return _yaml(text)
    try:
        return [json.loads(text)]
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ValueError:
        return _yaml(text)  # it may begin with a bracket, too


def _yaml(text: str) -> list[Any]:
    try:
        return documents.read(text)
    except documents.Malformed as error:
        if "aliases" in str(error):
            raise ValueError(f"{error}; yq 'explode(.)' writes out what they stand for") from error
        raise


def _text(file: Path) -> str:
    if not file.exists():
        raise ValueError("there is no such file or folder")
    if not file.is_file():
        raise ValueError("it is not a regular file")
    if file.stat().st_size > TEXT_MAX_BYTES:
        raise ValueError(f"it is larger than {TEXT_MAX_BYTES >> 20} MiB")
    return file.read_text(encoding="utf-8")
