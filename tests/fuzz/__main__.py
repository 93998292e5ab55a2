"""`python -m tests.fuzz TARGET SECONDS`: random bytes for a target, from its corpus and back into it.

libFuzzer does the work in a child (`python -m tests.fuzz.run`); what it finds is minimised and kept.
An input that breaks a rule is left in this folder as `crash-…`, and the exit status is its.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz import corpus

LENGTH_MAX = (
    4_096  # of one input; a connection needs several requests, and memory for their windows is not it
)


def main(target: str, seconds: str) -> int:
    """Run, then keep what covers more than before."""
    with TemporaryDirectory() as folder:
        found, kept = Path(folder) / "found", Path(folder) / "kept"
        kept.mkdir()
        corpus.unpack(target, found)
        status = _run(target, f"-max_total_time={seconds}", f"-max_len={LENGTH_MAX}", str(found))
        if not status:
            status = _run(target, "-merge=1", str(kept), str(found))
            corpus.pack(target, kept)
    return status


def _run(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "tests.fuzz.run", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
