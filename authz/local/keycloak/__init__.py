"""A real Keycloak on this machine. `realm.json` says who is in it: people, groups, two programs.

It holds everything in memory, so that each start is a first one; nothing is written to its own folder.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from authz.local.ports import LOOPBACK

REALM = "authz"
ADMIN = "admin"  # of Keycloak itself; the password is made at each start
CLIENT = "oauth2-proxy"  # the confidential one that signs people in
ROBOT = ("robot", "robot-secret")  # a program's, known to everyone
READY_S = 180.0  # twelve on an idle machine, a minute and more on a busy one
_FILE = Path(__file__).parent / "realm.json"

_QUARKUS = "io.quarkus.bootstrap"
_JAVA = (
    *(
        "-Xmx512m",
        "-XX:MaxMetaspaceSize=256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
    ),  # starts sooner
    *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in ("util", "util.concurrent", "security")),
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    f"-Djava.util.concurrent.ForkJoinPool.common.threadFactory={_QUARKUS}.forkjoin.QuarkusForkJoinWorkerThreadFactory",
)


def issuer(port: int) -> str:
    """The `iss` of its tokens."""
    return f"http://{LOOPBACK}:{port}/realms/{REALM}"


def realm(callbacks: Iterable[str], secret: str) -> dict[str, Any]:
    """What is imported. Whoever signed in is sent to one of the callbacks; `secret` is the client's."""
    made: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    [client] = [each for each in made["clients"] if each["clientId"] == CLIENT]
    client |= {"secret": secret, "redirectUris": list(callbacks)}
    return made


def administrator(password: str) -> dict[str, str]:
    """The environment that makes one."""
    return {"KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN, "KC_BOOTSTRAP_ADMIN_PASSWORD": password}


def command(
    java: Path, program: Path, home: Path, ports: tuple[int, int], imported: dict[str, Any]
) -> list[str]:
    """How it is run from the folder `home`, which is filled for it; `ports` are its own and its health's.

    `program` is where it was unpacked; its own script would leave Java behind when it is ended.
    """
    for part in ("conf", "lib", "providers", "themes"):
        (home / part).symlink_to(program / part)
    (home / "data" / "import").mkdir(parents=True)
    (home / "data" / "import" / f"{REALM}-realm.json").write_text(json.dumps(imported), encoding="utf-8")
    port, health = ports
    settings = {
        "http-enabled": "true",
        "http-host": LOOPBACK,
        "http-port": port,
        "http-management-port": health,
        "hostname": f"http://{LOOPBACK}:{port}",
        "cache": "local",
        "log-level": "warn",
    }
    return [
        *(str(java), *_JAVA, f"-Dkc.home.dir={home}", f"-Djboss.server.config.dir={home / 'conf'}"),
        *("-cp", str(home / "lib" / "quarkus-run.jar"), f"{_QUARKUS}.runner.QuarkusEntryPoint"),
        *("start", "--optimized", "--import-realm"),
        *(f"--{name}={value}" for name, value in settings.items()),
    ]
