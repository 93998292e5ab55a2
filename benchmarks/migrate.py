"""`authz migrate convert` of 10,000 old rules, beside what PyYAML's C code takes to read them.

`python -m benchmarks.migrate`: half a minute.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import yaml

from authz import writing

COUNT = 10_000
GOAL_S = 30.0

_JWT = {
    "handler": "jwt",
    "config": {
        "jwks_urls": ["https://idp.example.com/keys"],
        "trusted_issuers": ["https://idp.example.com"],
        "required_scope": ["read"],
    },
}
_ASKED = {
    "handler": "oauth2_introspection",
    "config": {
        "introspection_url": "https://idp.example.com/ask",
        "trusted_issuers": ["https://idp.example.com"],
    },
}
_STRATEGIES = ([{"handler": "noop"}], [{"handler": "allow"}], [_JWT], [_ASKED], [_JWT, _ASKED])


def documents(count: int) -> Iterator[dict[str, object]]:
    """APIRules of two rules each; every second path is one that no other rule has."""
    for index in range(count // 2):
        name = f"shop-{index}"
        strategies = _STRATEGIES[index % len(_STRATEGIES)]
        rules = [
            {"path": f"/orders-{index}(/.*)?", "methods": ["GET"], "accessStrategies": strategies},
            {"path": "/.*", "methods": ["POST"], "accessStrategies": strategies},
        ]
        spec = {
            "host": f"{name}.example.com",
            "gateway": "kyma-gateway.kyma-system.svc.cluster.local",
            "service": {"name": name, "port": 80},
            "rules": rules,
        }
        yield {
            "apiVersion": "gateway.kyma-project.io/v1beta1",
            "kind": "APIRule",
            "metadata": {"name": name, "namespace": f"team-{index % 50}"},
            "spec": spec,
        }


def main() -> None:
    """Prints a line for each, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "old.yaml")
        file.write_text(writing.write(documents(COUNT)), encoding="utf-8")
        began = perf_counter()
        list(yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
        read_s = perf_counter() - began
        command = [
            sys.executable,
            "-m",
            "authz",
            "migrate",
            "convert",
            str(file),
            "--offline",
            "--out",
            folder,
        ]
        began = perf_counter()
        said = subprocess.run(command, check=True, capture_output=True, text=True).stderr  # noqa: S603 - ours
        took_s = perf_counter() - began
    print(said.splitlines()[-1])
    print(f"{COUNT:,} rules converted, with their report: {took_s:.1f} s (goal: under {GOAL_S:g} s)")
    print(f"PyYAML reads them in {read_s:.1f} s: {took_s / read_s:.1f} times that")


if __name__ == "__main__":
    main()
