"""A Dockerfile read as its stages, and its build played in a folder: there is no daemon here.

It knows what ours has: FROM, ARG, WORKDIR, ENV, COPY and RUN, each on a line of its own.
"""

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = ROOT / "Dockerfile"

_DONE_BY_RUNTIMES = {"USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


@dataclass(slots=True)
class Stage:
    """`lines` are instructions and what stands behind them."""

    base: str
    name: str
    lines: list[tuple[str, str]] = field(default_factory=list)

    def of(self, instruction: str) -> list[str]:
        """What all of that kind say."""
        return [text for kind, text in self.lines if kind == instruction]


def stages() -> list[Stage]:
    """In order."""
    found: list[Stage] = []
    for line in FILE.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        instruction, _, text = line.partition(" ")
        if instruction == "FROM":
            base, _, name = text.partition(" AS ")
            found.append(Stage(base, name))
        elif found:
            found[-1].lines.append((instruction, text))
        else:
            assert instruction == "ARG"
    return found


class Build:
    """Plays a stage below `root`: whatever begins with / is there, but Python and the shell are ours."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.where = root
        self.environment = os.environ | {"PATH": f"{root / 'bin'}:{os.environ['PATH']}"}
        (root / "bin").mkdir(parents=True)
        (root / "opt").mkdir()
        (root / "bin" / "python").symlink_to(Path(sys.base_exec_prefix) / "bin" / "python3")

    def play(self, stage: Stage) -> None:
        """Every line of it."""
        for instruction, text in stage.lines:
            match instruction:
                case "WORKDIR":
                    self.where = self.root / text.lstrip("/")
                    self.where.mkdir()
                case "ENV":
                    self.environment |= dict(each.split("=", 1) for each in shlex.split(text))
                case "COPY":
                    self._copy(*text.split())
                case "RUN":
                    self._run(text)
                case _:
                    assert instruction in _DONE_BY_RUNTIMES, instruction

    def _copy(self, *names: str) -> None:
        *sources, target = names
        for name in sources:
            source, into = ROOT / name, self.where / target
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, into, ignore=ignored)
            else:
                shutil.copy(source, into)

    def _run(self, command: str) -> None:
        moved = command.replace("/opt/", f"{self.root}/opt/")
        ran = subprocess.run(
            ["sh", "-ec", moved],
            cwd=self.where,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}"
