"""The inputs that fuzzing has kept: one text file for each target, a line of base64 for each input.

Folders are what libFuzzer works on; files of lines are what a repository shows well.
"""

from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path

TARGETS = ("connection", "headers", "message", "check", "patterns")

_HERE = Path(__file__).parent / "corpus"


def read(target: str) -> list[bytes]:
    """All that is kept."""
    file = _HERE / f"{target}.txt"
    return [b64decode(line) for line in file.read_text().splitlines()] if file.exists() else []


def unpack(target: str, folder: Path) -> None:
    """A file for each."""
    folder.mkdir()
    for data in read(target):
        (folder / sha256(data).hexdigest()).write_bytes(data)


def pack(target: str, folder: Path) -> None:
    """The files of a folder, shortest first, so that a difference shows what is new."""
    inputs = sorted((file.read_bytes() for file in folder.iterdir()), key=lambda data: (len(data), data))
    _HERE.mkdir(exist_ok=True)
    (_HERE / f"{target}.txt").write_text("".join(f"{b64encode(data).decode()}\n" for data in inputs))
