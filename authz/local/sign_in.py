"""A real login on the laptop: Keycloak and oauth2-proxy, for rules that ask for a session.

They take memory, half a minute to start and, once, minutes to get: so they are asked for by name.
"""

import secrets
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from authz.local import keycloak, oauth2_proxy, programs
from authz.local.failure import CannotRun
from authz.local.oauth2_proxy import Login
from authz.local.plan import Plan
from authz.local.ports import LOOPBACK, Ports
from authz.local.process import Process

_NOT_HERE = "people sign in at {}: start with --idp keycloak to have that here"
_NEW_HOST = "people sign in at {} now: start again, for Keycloak has to know where they come from"
_ANOTHER = "people sign in at {} now: start again to have that here"


class Run(Protocol):
    """Starts a program by a name, with more in its environment."""

    def __call__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] = ..., /
    ) -> Awaitable[Process]: ...


class SignIn:
    """`refresh` is when oauth2-proxy asks about a session again; with `redis`, a URL, it keeps them there.

    Once started, `parts` are both, and `login` is how the latter runs. `password` is that of Keycloak's
    own administrator.
    """

    def __init__(self, refresh: str = "1m", redis: str = "") -> None:
        self.password = secrets.token_urlsafe(12)
        self.parts: tuple[Process, ...] = ()
        self._refresh = refresh
        self._redis = redis
        self._programs = [programs.get(name) for name in ("java", "keycloak", "oauth2-proxy")]

    async def start(self, plan: Plan, ports: Ports, folder: Path, run: Run) -> None:
        """Until both answer. Raises CannotRun."""
        java, unpacked, program = self._programs
        secret, home = secrets.token_urlsafe(), folder / "keycloak"
        home.mkdir()
        imported = keycloak.realm(_callbacks(plan, ports), secret)
        command = keycloak.command(java, unpacked, home, (ports.keycloak, ports.keycloak_health), imported)
        idp = await run("Keycloak", command, keycloak.administrator(self.password))
        await idp.ready(f"http://{LOOPBACK}:{ports.keycloak_health}/health/ready", keycloak.READY_S)
        if plan.login:
            self.login = Login(
                port=ports.oauth2_proxy,
                issuer=keycloak.issuer(ports.keycloak),
                client=keycloak.CLIENT,
                secret=secret,
                cookie_name=plan.login.cookie_name,
                prefix=plan.login.prefix,
                refresh=self._refresh,
                redis=self._redis,
            )
            proxy = await run("oauth2-proxy", oauth2_proxy.command(program, folder, self.login))
            await proxy.ready(f"http://{LOOPBACK}:{ports.oauth2_proxy}/ping")
            self.parts = (idp, proxy)

    def welcome(self, plan: Plan, ports: Ports) -> Iterator[str]:
        """Where to sign in, and as whom."""
        administrator = f"({keycloak.ADMIN}, {self.password})"
        yield f"Keycloak           http://{LOOPBACK}:{ports.keycloak}/admin   {administrator}"
        for host in plan.login_hosts:
            yield f"sign in            http://{host}:{ports.gateway}/"
        yield "                   as alice (password alice), who is in admins, or as bob (bob), who is not"


def _callbacks(plan: Plan, ports: Ports) -> list[str]:
    prefix = plan.login.prefix if plan.login else ""
    return [f"http://{host}:{ports.gateway}{prefix}/callback" for host in plan.login_hosts]


def check(plan: Plan, signing_in: SignIn | None, before: Plan | None = None) -> None:
    """Raises CannotRun for rules that have people sign in where nothing runs."""
    if plan.login and not signing_in:
        raise CannotRun([_NOT_HERE.format(plan.login.address)])
    if before and plan.login and plan.login != before.login:
        raise CannotRun([_ANOTHER.format(plan.login.address)])
    if before and (new := set(plan.login_hosts).difference(before.login_hosts)):
        raise CannotRun([_NEW_HOST.format(", ".join(sorted(new)))])
