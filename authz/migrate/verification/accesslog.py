"""Access logs as requests: nginx, Envoy and Istio in their usual formats, and JSON lines of any of them.

Of a line only method, host and path are read. Queries may hold credentials: they are dropped unseen.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from authz.migrate.verification.requests import Sent
from authz.migrate.verification.samples import canonical

LINE_MAX_LENGTH = 65_536  # Envoy's limit for headers; a longer line is none of its
DISTINCT_MAX = 200_000  # requests kept of one log

_METHODS = ("method", "request_method", ":method", "verb")
_HOSTS = ("authority", ":authority", "host", "http_host", "server_name", "requested_server_name")
_PATHS = ("path", ":path", "request_uri", "uri", "request_path", "url")

_request = re.compile(r'"([A-Z]+) (\S+) HTTP/[0-9.]+"').search
_quoted = re.compile(r'"([^"]*)"').findall
_host = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?").fullmatch
_path = re.compile(r"/[!-~]*").fullmatch


@dataclass(slots=True)
class Log:
    """What was read. `unread` lines were none that we know; their text is not kept."""

    requests: dict[Sent, None] = field(default_factory=dict)
    lines: int = 0
    unread: int = 0


def read(lines: Iterable[str], default_host: str = "") -> Log:
    """Each request once. nginx's own format has no host: then `default_host`, or the line is unread."""
    log = Log()
    for line in lines:
        if not line.strip():
            continue
        log.lines += 1
        sent = _one(line, default_host) if len(line) <= LINE_MAX_LENGTH else None
        if sent is None:
            log.unread += 1
        elif len(log.requests) < DISTINCT_MAX:
            log.requests[sent] = None
    return log


def _one(line: str, default_host: str) -> Sent | None:
    found = _of_json(line) if line.lstrip().startswith("{") else _of_text(line)
    if found is None:
        return None
    method, host, target = found
    path = target.partition("?")[0]
    if not _host(host or default_host) or not _path(path):
        return None
    return Sent(method, host or default_host, canonical(path))


def _of_text(line: str) -> tuple[str, str, str] | None:
    """Envoy writes the authority among the quoted words after the request; nginx writes none."""
    request = _request(line)
    if request is None:
        return None
    method, target = request[1], request[2]
    if "://" in target:  # as a proxy is asked
        parts = urlsplit(target)
        return method, parts.netloc.rpartition("@")[2], parts.path
    words = _quoted(line[request.end() :])
    return method, _authority(words), target


def _authority(words: list[str]) -> str:
    """Envoy: x-forwarded-for, user agent, request id, authority, upstream. Ends of others are no hosts."""
    if len(words) >= 4 and re.fullmatch(r"[0-9a-f-]{36}|-", words[-3]) and _host(words[-2]):
        return words[-2]
    return ""


def _of_json(line: str) -> tuple[str, str, str] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, Mapping):
        return None
    method, host, target = (_first(entry, names) for names in (_METHODS, _HOSTS, _PATHS))
    if not method and (request := re.fullmatch(r"([A-Z]+) (\S+) HTTP/[0-9.]+", _first(entry, ("request",)))):
        method, target = request[1], request[2]
    return (method, host, target) if method and target else None


def _first(entry: Mapping[str, Any], names: Iterable[str]) -> str:
    return next((entry[name] for name in names if isinstance(entry.get(name), str) and entry[name]), "")
