"""The URLs of Oathkeeper's rules, taken apart: `<https|http>://<shop|www>.example.com/<.*>`, and upstreams.

What stands between angle brackets is a pattern; only of hosts are the plain ones spelled out here.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any
from urllib.parse import urlsplit

from authz.migrate.old.rule import Upstream

HOSTS_MAX = 50  # as many as an APIRule may have

# `name.namespace` is a Service's name; with one of these in second place it is an address of the Internet.
_DOMAINS = frozenset({"com", "org", "net", "io", "dev", "de", "eu", "cloud", "app", "local", "internal"})

_WHOLE = ("<.*>", "<.+>", "<**>")  # every URL

_parts = re.compile(r"<([^<>]*)>|([^<>]+)").findall
_choice = re.compile(r"\(?(?:\?:)?((?:[A-Za-z0-9.-]|\\\.)+(?:\|(?:[A-Za-z0-9.-]|\\\.)+)*)\)?").fullmatch
_last_group = re.compile(r"(?<=[^.<])<[^<>]*>\Z").search  # none of a host follows a letter
_cluster = re.compile(r"([a-z0-9-]+)(?:\.([a-z0-9-]+)(?:\.svc(?:\..+)?)?)?").fullmatch


def split(url: str) -> tuple[str, str, str]:
    """Its scheme and its host as they are written, and its path.

    No scheme where none stands by itself: in `<(http://a|http://b)>/x` one pattern is for all three.
    """
    if url in _WHOLE:  # a host of its own, and any path of it
        return url, url, f"/{url}"
    end = _outside(url, "://")
    scheme, rest = (url[:end], url[end + len("://") :]) if end < len(url) else ("", url)
    end = _end_of_host(rest)
    return scheme, rest[:end], rest[end:]


def hosts(host: str) -> tuple[str, ...]:
    """Those that a pattern spells out, else the pattern itself, with its angle brackets."""
    choices = [list(_choices(pattern)) if pattern else [plain] for pattern, plain in _parts(host)]
    if not choices or not all(choices):
        return (host,)
    found = tuple("".join(one) for one in product(*choices))
    return found if len(found) <= HOSTS_MAX else (host,)


def upstream(written: Mapping[str, Any], at: str) -> Upstream:
    """A Service of the cluster, by its name, or any other address."""
    url = str(written.get("url") or "")
    strip, preserve = str(written.get("strip_path") or ""), bool(written.get("preserve_host"))
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        named = _cluster(parts.hostname or "") if parts.path in ("", "/") else None
    except ValueError:
        port, named = None, None
    if named is None or named[2] in _DOMAINS:
        return Upstream(url=url, strip_path=strip, preserve_host=preserve, at=at)
    return Upstream(named[1], named[2] or "", port, url, strip, preserve, at)


def _end_of_host(rest: str) -> int:
    """At the first slash that is in no brackets, or at brackets that can only be the path's."""
    end = _outside(rest, "/")
    last = _last_group(rest[:end])
    if last and last.start() > 0 and (end == len(rest) or "/" in last[0]):
        return last.start()
    return end


def _outside(text: str, sought: str) -> int:
    """Where that stands outside of angle brackets; the end if it does not."""
    depth = 0
    for index, sign in enumerate(text):
        depth += (sign == "<") - (sign == ">")
        if depth == 0 and text.startswith(sought, index):
            return index
    return len(text)


def _choices(pattern: str) -> Iterator[str]:
    if found := _choice(pattern):
        yield from (one.replace("\\.", ".") for one in found[1].split("|"))
