"""Writing a file that a running program watches.

It sees the old text or the new one, never half of it.
"""

from pathlib import Path


def write(path: Path, text: str) -> None:
    """Nothing is touched if nothing is new."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    draft = path.with_name(f".{path.name}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
