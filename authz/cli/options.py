"""What several verbs share: kinds of arguments, and how a verb fails.

Problems go to standard error, all at once, and the exit code is 1.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import click

PATH = click.Path(exists=True, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def fail_on(problems: Iterable[str]) -> None:
    """Print what was found, and leave if it is anything."""
    found = list(problems)
    for problem in found:
        click.echo(problem, err=True)
    if found:
        sys.exit(1)


def text(file: Path) -> str:
    """What stands in a file, or leave."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail_on([f"{file}: can not be read: {error}"])
        raise
