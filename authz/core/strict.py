"""JSON from others, read so that no two readers can take it for two things.

Key sets and discovery documents pass through here before anything in them is believed.
"""

from codecs import BOM_UTF8
from functools import lru_cache
from json import JSONDecoder
from typing import Any, NoReturn

DOCUMENT_MAX_BYTES = 1 << 20  # published key sets take 2 to 20 kB
NAMES_MAX = 256  # names of which one copy serves all documents; tokens use a dozen


def read(document: bytes) -> dict[str, Any]:
    """The one object in it. Raises ValueError if it is not that, repeats a name, or is too long or deep."""
    if len(document) > DOCUMENT_MAX_BYTES:
        raise ValueError(f"longer than {DOCUMENT_MAX_BYTES} bytes")
    try:
        value = _decode(document.removeprefix(BOM_UTF8).decode())
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  # the caller's one error, as json raises it
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 8259 4: what a reader makes of a repeated name is unpredictable."""
    value = {_shared(name): item for name, item in pairs}
    if len(value) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return value


# Not `sys.intern`: CPython 3.12.1 never lets go of what that is given, and anyone may send names.
_shared = lru_cache(NAMES_MAX)(str)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decode = JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant).decode
