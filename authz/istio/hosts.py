"""Host names: what a rule's hosts are in full, who owns them, and how Istio's policies write them.

A policy compares the authority as it was sent, port and all, where routes ignore the port.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from authz.istio.apirule import APIRule
from authz.istio.syntax import is_full, is_short

_WEB_PORTS = frozenset({80, 443})


@dataclass(frozen=True, slots=True)
class Gateway:
    """An Istio Gateway: the hosts of each server that has some, all ports, the pods it runs on."""

    hosts: tuple[tuple[str, ...], ...] = ()
    ports: frozenset[int] = frozenset()
    selector: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def domain(self) -> str:
        """What completes a short host: the one `*.domain` that every server has, or ""."""
        names = {tuple(host.rpartition("/")[2] for host in server) for server in self.hosts}
        only = names.pop() if len(names) == 1 else ()
        return only[0][2:].lower() if len(only) == 1 and only[0].startswith("*.") else ""


def full(apirule: APIRule, gateways: Mapping[str, Gateway]) -> tuple[str, ...]:
    """The APIRule's hosts in its order; "" for a short one that no domain completes."""
    domain = gateways.get(apirule.spec.gateway, Gateway()).domain
    return tuple(_full(host, domain) for host in apirule.spec.hosts)


def admitted(apirule: APIRule, gateways: Mapping[str, Gateway]) -> tuple[str, ...]:
    """Those that its Gateway serves for its namespace: to name any other lays no claim to it."""
    gateway = gateways.get(apirule.spec.gateway)
    if gateway is None:
        return ()
    return served(gateway, apirule.spec.gateway, apirule.namespace, filter(None, full(apirule, gateways)))


def served(gateway: Gateway, name: str, namespace: str, wanted: Iterable[str]) -> tuple[str, ...]:
    """Those of the hosts that the Gateway, `namespace/name`, serves for a namespace."""
    return tuple(dict.fromkeys(host for host in wanted if serves(gateway, name, namespace, host)))


def owners(apirules: Iterable[APIRule], gateways: Mapping[str, Gateway]) -> dict[str, APIRule]:
    """Who serves each host: the senior of those that claim it. A Gateway that is not known admits all."""
    owned: dict[str, APIRule] = {}
    for apirule in sorted(apirules, key=lambda apirule: apirule.seniority):
        known = apirule.spec.gateway in gateways
        for host in admitted(apirule, gateways) if known else full(apirule, gateways):
            owned.setdefault(host, apirule)
    owned.pop("", None)
    return owned


def serves(gateway: Gateway, name: str, namespace: str, host: str) -> bool:
    """True if some server of the Gateway takes the host, or a part of it, from that namespace.

    Istio writes a server's host as `host`, or `namespace/host` where `.` is the Gateway's own and `*` any.
    """
    near = name.partition("/")[0]
    for written in (written for server in gateway.hosts for written in server):
        space, slash, taken = written.lower().rpartition("/")
        ours = not slash or space in ("*", namespace) or (space == "." and near == namespace)
        if ours and (taken in ("*", host) or below(taken, [host]) or below(host, [taken])):
            return True
    return not gateway.hosts


def above(host: str) -> Iterator[str]:
    """The wildcards that take it in, the nearest first."""
    name = host.removeprefix("*.")
    while "." in name:
        name = name.partition(".")[2]
        yield f"*.{name}"


def is_wildcard(host: str) -> bool:
    """True for `*.domain`."""
    return host.startswith("*.")


def below(host: str, others: Iterable[str]) -> list[str]:
    """Those of the others that a wildcard takes in: more specific, so not its own to serve."""
    if not is_wildcard(host):
        return []
    return [other for other in others if other.endswith(host[1:]) and other != host]


def authorities(host: str, ports: Iterable[int]) -> list[str]:
    """The host with and without a port. Istio can not say `*.domain:*`, so a wildcard lists ports."""
    if not is_wildcard(host):
        return [host, f"{host}:*"]
    return [host, *(f"{host}:{port}" for port in sorted(_WEB_PORTS.union(ports)))]


def other_ports(ports: Iterable[int]) -> str:
    """A regular expression of the authorities that `authorities` leaves out."""
    return "[^:]*:" + _other_than({str(port) for port in _WEB_PORTS.union(ports)})


def _other_than(words: set[str]) -> str:
    """A regex for every string except `words`, built letter by letter, as RE2 has no negation."""
    firsts = sorted({word[0] for word in words if word})
    stray = f"[^{''.join(firsts)}].*" if firsts else ".+"
    later = [first + _other_than({word[1:] for word in words if word.startswith(first)}) for first in firsts]
    return f"(?:{'|'.join([*([] if '' in words else ['']), stray, *later])})"


def _full(host: str, domain: str) -> str:
    if not is_short(host):
        return host
    completed = f"{host}.{domain}"
    return completed if is_full(completed) else ""
