"""Writing a file that a running program watches.

It sees the old content or the new one, never half of it.
"""

from pathlib import Path


def write(path: Path, content: str | bytes, *, private: bool = False) -> None:
    """Nothing is touched if nothing is new. What is private nobody else may read, not even for a moment."""
    raw = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == raw:
        return
    draft = path.with_name(f".{path.name}")
    draft.unlink(missing_ok=True)
    draft.touch(0o600 if private else 0o666)
    draft.write_bytes(raw)
    draft.replace(path)
