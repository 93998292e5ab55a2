"""Where everything on the laptop listens: fixed ports on loopback, all moved together by one offset.

Fixed, so that a URL in a terminal's history, a browser's tab or an APIRule stays true.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from authz.local.failure import CannotRun

LOOPBACK = "127.0.0.1"
CLAIM = 9199  # moved by an offset, who listens there has it
OFFSETS_END = 20_000  # the echoes then listen at 35200; far more would pass 65535
ADVICE = "end what listens there, or move every port up by N with --port-offset N"


@dataclass(frozen=True, slots=True)
class Ports:
    """One for each part. `sidecar` and `echo` are the first of many: each workload takes one more."""

    gateway: int = 8080
    idp: int = 9400
    keycloak: int = 9500
    keycloak_health: int = 9501
    oauth2_proxy: int = 4180
    checks: int = 9191
    authorizer: int = 9192
    controller: int = 9193
    api: int = 6443
    gateway_admin: int = 15000
    sidecar_admin: int = 15001
    sidecar: int = 15100
    echo: int = 15200

    def moved(self, offset: int) -> "Ports":
        """All of them, `offset` further up."""
        return replace(self, **{each.name: getattr(self, each.name) + offset for each in fields(self)})

    def wanted(
        self, workloads: int, *, sign_in: bool = False, kubernetes: bool = False
    ) -> list[tuple[int, str]]:
        """Each port with the part that will listen there."""
        controlling = [(self.api, "the API server"), (self.controller, "the controller's admin port")]
        signing_in = [
            (self.keycloak, "Keycloak"),
            (self.keycloak_health, "Keycloak's health port"),
            (self.oauth2_proxy, "oauth2-proxy"),
        ]
        return [
            *(signing_in if sign_in else ()),
            *(controlling if kubernetes else ()),
            (self.gateway, "the gateway"),
            (self.idp, "the identity provider"),
            (self.checks, "the authorizer"),
            (self.authorizer, "the authorizer's admin port"),
            (self.gateway_admin, "the gateway's admin port"),
            (self.sidecar_admin, "the sidecar's admin port"),
            *((self.sidecar + index, "a sidecar") for index in range(workloads)),
            *((self.echo + index, "an echo workload") for index in range(workloads)),
        ]


def taken(wanted: Iterable[tuple[int, str]]) -> list[str]:
    """A message for each port that somebody else listens on."""
    return [f"port {port} is taken, and {part} wants it" for port, part in wanted if not _is_free(port)]


def free_offset(workloads: int = 10, step: int = 10) -> int:
    """The first offset at which every port is free, to run beside another laptop.

    It is this process's until it ends: another that looks before anything listens gets the next.
    """
    for offset in range(step, OFFSETS_END, step):
        wanted = Ports().moved(offset).wanted(workloads, sign_in=True, kubernetes=True)
        if not taken(wanted) and _is_ours(offset):
            return offset
    raise CannotRun([f"no port offset below {OFFSETS_END} has only free ports"])


_ours: set[int] = set()


def _is_ours(offset: int) -> bool:
    """The kernel knows who was first, and forgets it with the process."""
    if offset not in _ours:
        try:
            socket.create_server((LOOPBACK, CLAIM + offset)).detach()
        except OSError:
            return False
        _ours.add(offset)
    return True


def _is_free(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True
