"""The words that start the program again, from the directory in which it was started."""

import pytest

from authz.local import command


@pytest.fixture
def here(tmp_path):
    """A clone with the program in its .venv, and one beside it."""
    for file in (
        *(tmp_path / "clone" / ".venv" / "bin" / name for name in ("authz", "python")),
        *(tmp_path / folder / "authz" for folder in ("clone", "bin")),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o755)
    (tmp_path / "clone" / "data" / "authz").mkdir(parents=True)
    (tmp_path / "clone" / "__main__.py").touch()
    return tmp_path / "clone"


@pytest.mark.parametrize(
    ("started", "words"),
    [
        (".venv/bin/authz", [".venv/bin/authz"]),
        ("./.venv/bin/authz", [".venv/bin/authz"]),
        ("{here}/.venv/bin/authz", [".venv/bin/authz"]),
        ("../clone/.venv/bin/authz", [".venv/bin/authz"]),
        ("authz", ["./authz"]),
        ("../bin/authz", ["{here.parent}/bin/authz"]),
        ("{here}/__main__.py", [".venv/bin/python", "-m", "authz"]),
        ("nowhere/authz", [".venv/bin/python", "-m", "authz"]),
    ],
)
def test_it_is_as_short_as_works_from_here(here, started, words):
    python = str(here / ".venv" / "bin" / "python")
    assert list(command.again(started.format(here=here), python, here)) == [
        word.format(here=here) for word in words
    ]
