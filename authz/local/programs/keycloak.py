"""Keycloak, from Maven Central: an archive of Java, 160 MB, unpacked and prepared once."""

import zipfile
from pathlib import Path

from authz.local.programs import cache, debian

NAME = "keycloak"
VERSION = "26.4.0"
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"


def folder() -> Path:
    """Where `bin/kc.sh` lies. Raises CannotRun."""
    return cache.entry(f"{NAME}-{VERSION}", f"fetching Keycloak {VERSION}, once, 160 MB", _fetch)


def _fetch(draft: Path) -> None:
    copy = [f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={draft}", "-Dmdep.useBaseVersion=true"]
    cache.run([debian.program("mvn"), "--batch-mode", "--quiet", _PLUGIN, *copy], draft)
    [archive] = draft.glob("*.zip")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(draft)
    archive.unlink()
    [unpacked] = draft.iterdir()
    for each in unpacked.iterdir():
        each.rename(draft / each.name)
    unpacked.rmdir()
    # What its script does at a first start, for a memory of its own and health checks.
    script = ["bash", str(draft / "bin" / "kc.sh"), "build", "--db=dev-mem", "--health-enabled=true"]
    cache.run(script, JAVA=str(debian.program("java")))
