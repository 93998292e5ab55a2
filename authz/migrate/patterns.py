"""Old paths as templates: until the real thing is here, every path and nothing else."""

from dataclasses import dataclass

from authz.migrate.old import Strategy


@dataclass(frozen=True, slots=True)
class Converted:
    """`missing` is a path that only the old one matches, `extra` one that only the new ones do."""

    templates: tuple[str, ...]
    exact: bool
    missing: str | None = None
    extra: str | None = None


def convert(pattern: str, strategy: Strategy) -> Converted:
    """Templates for a path."""
    plain = pattern.replace("<", "").replace(">", "") if strategy == "oathkeeper" else pattern
    if plain in ("/.*", "/**"):
        return Converted(("/*",), exact=True)
    if plain.endswith("/.*") and plain[:-2].replace("/", "").replace("-", "").isalnum():
        return Converted((plain[:-2] + "{**}",), exact=True)
    if plain.replace("/", "").replace("-", "").isalnum() or plain == "/":
        return Converted((plain,), exact=True)
    return Converted((), exact=False, missing="/")
