"""Copies of live requests: whether somebody takes them, and whether they are still made.

Pure: documents in, values out.
"""

from authz.controller.kinds import key
from authz.migrate.stages import saved
from authz.migrate.stages.saved import Saved
from authz.migrate.stages.surveyed import Survey

_NEEDS_SHADOW = "name the Service of `migrate shadow` with --shadow, or leave the stage out: --to switch"
_NO_SHADOW = "Service {} with port {} not found: the copies would go nowhere"


def problems(found: Survey, shadow: str) -> list[str]:
    """Envoy drops copies for a Service that is not there, and tells nobody."""
    if not shadow:
        return [_NEEDS_SHADOW]
    where, _, port = shadow.partition(":")
    name, _, namespace = where.partition(".")
    there = found.find("Service", f"{namespace}/{name}")
    ports = [each["port"] for each in there["spec"].get("ports") or ()] if there else []
    return [] if int(port) in ports else [_NO_SHADOW.format(f"{namespace}/{name}", port)]


def are_made(found: Survey, kept: Saved) -> bool:
    """Of requests on any of the old routes."""
    there = (found.find("VirtualService", key(one)) for one in kept.routes)
    return bool(kept.shadow) and any(one and saved.is_mirrored(one, kept.shadow) for one in there)
