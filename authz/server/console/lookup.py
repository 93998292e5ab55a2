"""Finds a decision by its request: asks the console of an authorizer that runs."""

import json
import re
from typing import Any

import httpx

from authz.server.console.recent import KEPT, Row

TIMEOUT_S = 5.0

_on_page = re.compile(r"&middot; request ([A-Za-z0-9._-]+)</small>").search


class NotFound(Exception):
    """The message says what to try."""


def request_id(answer: str) -> str:
    """Of an answer's body as the client got it: problem+json, or the page. Raises NotFound."""
    try:
        found: Any = json.loads(answer)
    except (ValueError, RecursionError):
        on_page = _on_page(answer)
        named = on_page[1] if on_page else None
    else:
        named = found.get("instance") if isinstance(found, dict) else None
    if not isinstance(named, str) or not named:
        raise NotFound("the answer does not tell its request: pass its x-request-id with --request")
    return named


def find(admin: str, wanted: str) -> list[Row]:
    """The decisions about a request, the latest first; `admin` is a URL, or HOST:PORT. Raises NotFound."""
    admin = admin if "://" in admin else f"http://{admin}"
    try:
        answer = httpx.get(  # by no proxy: it would be asked for its own loopback
            f"{admin.rstrip('/')}/decisions", params={"id": wanted}, timeout=TIMEOUT_S, trust_env=False
        )
        rows: list[Row] = answer.raise_for_status().json()
    except httpx.HTTPStatusError as error:
        raise NotFound(f"{admin}: {_why(error.response)}") from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise NotFound(
            f"{admin}: no authorizer answers ({type(error).__name__}); in a cluster: "
            "kubectl -n authz-system port-forward deploy/authz 9192"
        ) from error
    if not rows:
        raise NotFound(
            f"{wanted}: not among the last {KEPT} refusals of that replica, nor among what it allowed; "
            f"ask the other replicas, or their logs for request_id {wanted}"
        )
    return rows


def render(row: Row) -> str:
    """For a person at a terminal, whom nothing that a client has sent can move about in it."""
    row = {name: _plain(value) if isinstance(value, str) else value for name, value in row.items()}
    lines = [
        f"{row['method']} {row['host']}{row['path']}",
        f"  {row['status']} {row['reason']} - {row['text']}",
        f"  rule {row['rule'] or 'none matches'}, at {row['at']}, in {row['ms']} ms",
    ]
    lines += [f"  {row['note']}"] if row["note"] else []
    lines += [f"  trace {row['trace']}"] if row["trace"] else []
    return "\n".join(lines)


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _why(answer: httpx.Response) -> str:
    if answer.status_code == 404:
        return "it has no console (listen.console: none)"
    return f"it answers {answer.status_code}"
