"""Whether the Oathkeepers that run have an APIRule's Rules: maester hands them on in its own time."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from authz.controller.kinds import Document, key
from authz.migrate.verification import oathkeeper
from authz.migrate.verification.oathkeeper import Unreachable

PATIENCE_S = 180.0  # of a mounted ConfigMap the kubelet hears within a minute or two
LOOK_S = 0.5


class Missing(Exception):
    """After all that time."""


async def until(urls: Sequence[str], rules: Sequence[Document], patience_s: float = PATIENCE_S) -> None:
    """Each of them has all of the rules. Raises Missing."""
    lines = [f"{url}: no answer" for url in urls]
    try:
        async with asyncio.timeout(patience_s):
            while lines := [line for url in urls for line in await problems(url, rules)]:  # noqa: ASYNC110 - another program's doing
                await asyncio.sleep(LOOK_S)
    except TimeoutError as error:
        raise Missing("; ".join(lines)) from error


async def problems(url: str, rules: Sequence[Document]) -> list[str]:
    """That nobody answers, or what is missing."""
    async with oathkeeper.connect(url) as there:
        try:
            known = {_matched(one.get("match")) async for one in there.rules()}
        except Unreachable as error:
            return [str(error)]
    missing = [key(one) for one in rules if _matched(one["spec"].get("match")) not in known]
    return [f"Oathkeeper at {url} has not got Rule {', '.join(missing)}"] if missing else []


def _matched(match: Mapping[str, Any] | None) -> tuple[str, frozenset[str]]:
    """What a rule is for: its name is maester's, and may be another's."""
    found = match or {}
    methods: Iterable[str] = found.get("methods") or ()
    return str(found.get("url", "")), frozenset(methods)
