"""The real Envoy accepts what the compiler makes of istiod's cases and of all that the translation emits."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from authz.local import certs, envoy
from tests.local.envoys import binary
from tests.local.meshes import GATEWAY, SIDECAR, around

HERE = Path(__file__).parent
ISTIOD = sorted((HERE / "istiod").glob("*.in.yaml"))
GOLDEN = sorted((HERE.parent / "istio" / "golden").glob("*.out.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("source", [*ISTIOD, *GOLDEN], ids=lambda source: source.name)
def test_envoy_accepts_it(source, tmp_path):
    certs.issue(tmp_path, {"gateway": f"spiffe://{GATEWAY}", "sidecar": f"spiffe://{SIDECAR}"})
    resources = list(yaml.safe_load_all(source.read_text()))
    made = envoy.compile(resources, around(resources, tmp_path))
    for name, proxy in (("gateway", made.gateway), ("sidecar", made.sidecar)):
        start = tmp_path / f"{name}.json"
        start.write_text(json.dumps(envoy.bootstrap(proxy, 15000, name)))
        command = [binary(), "--mode", "validate", "--log-level", "warn", "-c", str(start)]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        assert "deprecated" not in checked.stderr
