"""Where people sign in: oauth2-proxy's own pages on every host that sends browsers to it.

They lead to its Service and past no guard, for who is not signed in yet could not pass one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from authz.core.path import Kind, Path
from authz.core.policy import Authorizer, Rule, Session

METHODS = ("GET", "HEAD", "POST")  # OAuth 2.0 Form Post Response Mode: a callback may be a POST
# Not `auth`: only the authorizer asks that.
_PAGES = ("callback", "sign_in", "sign_out", "start", "userinfo")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Login:
    """One oauth2-proxy: its address as configured, its Service as Istio knows it, its prefix and cookie.

    `host` is empty where the address is none that a route can lead to.
    """

    address: str
    host: str
    port: int
    prefix: str
    cookie_name: str

    @property
    def paths(self) -> tuple[Path, ...]:
        """What it serves to browsers."""
        return _paths(self.prefix)


def of(authorizer: Authorizer) -> Login | None:
    """Where it sends browsers, if it does."""
    for session in _sessions(authorizer):
        url = urlsplit(session.oauth2_proxy)
        port = url.port or _PORTS[url.scheme]
        host = _service(url.hostname or "")
        return Login(session.oauth2_proxy, host, port, session.prefix, session.cookie_name)
    return None


def rules(key: str, authorizers: list[Authorizer]) -> tuple[Rule, ...]:
    """For the authorizer where it is asked about every path of a host: these are public."""
    prefixes = dict.fromkeys(session.prefix for one in authorizers for session in _sessions(one))
    return tuple(
        Rule(f"{key}{prefix}", frozenset(METHODS), path) for prefix in prefixes for path in _paths(prefix)
    )


def _sessions(authorizer: Authorizer) -> Iterator[Session]:
    return (one for one in authorizer.accept if isinstance(one, Session))


def _paths(prefix: str) -> tuple[Path, ...]:
    pages = (Path(Kind.EXACT, f"{prefix}/{page}") for page in _PAGES)
    return (*pages, Path(Kind.PREFIX, f"{prefix}/static/"))


def _service(host: str) -> str:
    """`name.namespace` and `name.namespace.svc` in full, other names of several parts as they are."""
    match host.split("."):
        case [_]:
            return ""
        case [name, namespace] | [name, namespace, "svc"]:
            return f"{name}.{namespace}.svc.cluster.local"
        case _:
            return "" if _is_ip(host) else host


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
