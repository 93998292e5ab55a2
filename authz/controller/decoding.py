"""JSON to and from the API server, whoever wrote it: whatever an object holds, it can be read.

The API server keeps 10,000 levels of somebody's `metadata.managedFields`; decoders give up at 1,000.
"""

import json
import re
from typing import Any

import orjson

DEPTH_MAX = 100  # levels: nothing that is read lies deeper than some 20

_tokens = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]').finditer


class NotServed(ValueError):
    """Plain text: there is no such group or version. A CRD may be on its way, so that it is no 404."""


def decoded(raw: bytes) -> Any:
    """Null stands for what lies too deep. Raises ValueError, of which NotServed is one."""
    if raw.startswith(b"404 page not found"):
        raise NotServed(raw.decode(errors="replace").strip())
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _slowly(raw)


def encoded(value: Any, *, ordered: bool = False) -> bytes:
    """Without spaces. `ordered`: the same value always gives the same bytes."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if ordered else None)
    except orjson.JSONEncodeError:  # 254 levels, or numbers of more than 64 bits
        return json.dumps(value, sort_keys=ordered, separators=(",", ":")).encode()


def _slowly(raw: bytes) -> Any:
    """As the library of the language does it, which takes more for JSON."""
    try:
        return json.loads(raw)
    except RecursionError:
        return json.loads(_shallow(raw))


def _shallow(raw: bytes) -> bytes:
    """One pass, whatever it holds."""
    depth, since, kept = 0, 0, list[bytes]()
    for token in _tokens(raw):
        if token[0] in b"{[":
            if depth == DEPTH_MAX:
                kept += [raw[since : token.start()], b"null"]
            depth += 1
        elif token[0] in b"}]":
            depth -= 1
            if depth == DEPTH_MAX:
                since = token.end()
    return b"".join([*kept, raw[since:]])
