"""Whom this process asks, as its configuration says: the client, the sources, and the spans of both."""

import time
from typing import TYPE_CHECKING

from authz import config, observed
from authz.config import Config
from authz.core.policy import Accept
from authz.server.ruleset import Loaded
from authz.sources import Refresh, Sources
from authz.sources.fetched import REFRESH_BEFORE_S
from authz.sources.http import Client

if TYPE_CHECKING:
    from authz.server.tracing import Tracing


def accepts(loaded: Loaded) -> list[Accept]:
    """Everyone whom some rule accepts that the authorizer may be asked about; the mesh decides the others."""
    elsewhere = {
        f"{apirule.key}/{index}"
        for _, apirule in loaded.rules
        for index, rule in enumerate(apirule.spec.rules)
        if apirule.spec.enforcement == "Workload" and rule.jwt
    }
    return [
        accept
        for enforced in loaded.policy.hosts.values()
        for host in (enforced, enforced.coming)
        for rule in (host.rules if host else ())
        for check in rule.checks
        for accept in check.authorizer.accept
        if rule.name not in elsewhere
    ]


def sources_of(settings: Config, spans: "Tracing | None" = None) -> tuple[Client, Sources]:
    """The client and what asks through it, as configured."""
    times = settings.sources
    client = Client(
        timeout_s=times.timeout,
        plain_http_hosts=frozenset(times.plain_http_hosts),
        ca_file=times.ca_file,
        watched=spans.calls if spans else None,
    )
    refresh = Refresh(
        ttl_s=times.ttl,
        refresh_before_s=min(REFRESH_BEFORE_S, times.ttl / 2),
        cooldown_s=times.refresh_cooldown,
        stale_s=times.stale,
    )
    return client, Sources(client, time.monotonic, refresh)


def tracing(settings: observed.Tracing) -> "Tracing | None":
    """What makes spans, where they are wanted. Raises config.Invalid."""
    if not settings.endpoint:
        return None
    try:
        from authz.server.tracing import Tracing  # noqa: PLC0415  # 30 MiB, for those who want it
    except ImportError as error:
        raise config.Invalid([("tracing.endpoint", "it takes `pip install istio-authz[tracing]`")]) from error
    return Tracing(settings.endpoint, settings.per_second)
