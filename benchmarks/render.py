"""`authz render` of 10,000 APIRules, beside what PyYAML's C code takes to read them.

`python -m benchmarks.render`: a minute; part of `make bench-controller`.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import click
import yaml

from authz import writing
from benchmarks.controller import page
from benchmarks.process import busy_s

COUNT = 10_000
CORES = len(os.sched_getaffinity(0))
_IDP = {"issuer": "https://idp.example.com", "jwksUri": "https://idp.example.com/keys"}
_ACCESS = (
    {"noAuth": True},
    {"jwt": {"authentications": [_IDP], "authorizations": [{"requiredScopes": ["read"]}]}},
    {"extAuth": {"authorizers": ["login"]}},
)
_GATEWAY = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "gateway", "namespace": "istio-system"},
    "spec": {
        "selector": {"istio": "ingressgateway"},
        "servers": [{"port": {"number": 443}, "hosts": ["*.example.com"]}],
    },
}
_LOGIN = "{name: login, envoyExtAuthzHttp: {service: login.auth, port: 80}}"
_MESH = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "istio", "namespace": "istio-system"},
    "data": {"mesh": f"extensionProviders: [{_LOGIN}]"},
}


def documents(count: int) -> Iterator[dict[str, object]]:
    """Public, with tokens and with an authorizer in turn, three rules each, and their Services."""
    for index in range(count):
        name, access = f"shop-{index}", _ACCESS[index % len(_ACCESS)]
        metadata = {"name": name, "namespace": f"team-{index % 50}"}
        rules = [
            {"path": "/products/{**}", "methods": ["GET"], "noAuth": True},
            {"path": "/orders/{*}/items", "methods": ["GET", "POST"], **access},
            {"path": "/*", "methods": ["GET"], **access},
        ]
        spec = {
            "hosts": [f"{name}.example.com"],
            "gateway": "istio-system/gateway",
            "service": {"name": name, "port": 80},
            "rules": rules,
        }
        yield {
            "apiVersion": "gateway.kyma-project.io/v2",
            "kind": "APIRule",
            "metadata": metadata,
            "spec": spec,
        }
        selected = {"selector": {"app": name}, "ports": [{"port": 80}]}
        yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": selected}


@click.command()
@click.option("--again", is_flag=True, help="Keep the earlier runs: the page shows the middle.")
def main(again: bool) -> None:
    """Print a line for each, in seconds, and write docs/benchmarks-controller.md."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "rules.yaml"), Path(folder, "istio.yaml")
        given.write_text(writing.write([_GATEWAY, _MESH, *documents(COUNT)]), encoding="utf-8")
        before_s, busy = _spent_s(), busy_s()
        rendering = _seconds(lambda: _render(given, made))
        used_s = _spent_s() - before_s
        others = max(0.0, busy_s() - busy - used_s) / rendering / CORES
        lines = made.read_text(encoding="utf-8").count("\n")
        found: list[object] = []
        reading = _seconds(lambda: found.extend(yaml.load_all(given.read_text(), yaml.CSafeLoader)))
    page.keep("render", {"count": COUNT, "took_s": rendering, "cpu_s": used_s, "others": others}, again=again)
    print(f"authz render: {COUNT:,} APIRules, {lines:,} lines of YAML in {rendering:.1f} s")
    print(f"PyYAML's C code: {reading:.1f} s to read what it was given")


def _render(given: Path, made: Path) -> None:
    with made.open("w") as output:
        subprocess.run([Path(sys.executable).parent / "authz", "render", given], stdout=output, check=True)  # noqa: S603


def _spent_s() -> float:
    """By us and by programs that have ended."""
    return sum(os.times()[:4])


def _seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


if __name__ == "__main__":
    main()
