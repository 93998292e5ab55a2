"""Whatever an APIRule becomes is taken by a real API server with Istio's own definitions."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.kube.server import Refused

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parents[1] / "istio" / "golden"
OUTPUTS = sorted(GOLDEN.glob("*.out.yaml"))


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda path: path.name[:-9])
def test_every_emitted_object_is_taken(kube, output):
    for document in documents(output):
        kube.namespace(document["metadata"]["namespace"])
        stored = kube.apply(document, dry_run=True)
        assert stored["spec"] == document["spec"]


@pytest.mark.parametrize("source", sorted(GOLDEN.glob("*.in.yaml")), ids=lambda path: path.name[:-8])
def test_apirules_that_become_something_are_taken_too(kube, source):
    refused = source.with_name(source.name.replace(".in.", ".err.").replace(".yaml", ".txt")).exists()
    for document in documents(source):
        if document["kind"] == "APIRule" and not refused:
            kube.namespace(document["metadata"].get("namespace", "default"))
            kube.apply(document, dry_run=True)


def test_what_istio_does_not_know_is_refused(kube):
    document = next(each for each in documents(OUTPUTS[0]) if each["kind"] == "VirtualService")
    document["spec"]["http"][0]["match"][0]["uri"] = {"exact": "/a", "prefix": "/a"}
    with pytest.raises(Refused, match="http"):
        kube.apply(document, dry_run=True)


MISTAKABLE = {
    "x-a": "y",
    "x-b": "1e3",
    "x-c": "0x1F",
    "x-d": "null",
    "x-e": "a: b",
    "x-f": "012",
    "x-g": "%REQ(a)%",
}


def test_kubectl_takes_what_is_rendered_and_reads_text_as_text(kube, tmp_path):
    document, *others = documents(GOLDEN / "public.in.yaml")
    document["spec"]["rules"][0]["request"] = {"headers": MISTAKABLE}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump_all([document, *others]))
    command = [sys.executable, "-m", "authz", "render", str(tmp_path / "rules.yaml")]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for each in yaml.safe_load_all(rendered):
        kube.namespace(each["metadata"]["namespace"])
    applied = kube.kubectl("apply", "--server-side", "-o", "yaml", "-f", "-", given=rendered)
    assert applied.returncode == 0, applied.stderr
    route = next(each for each in yaml.safe_load(applied.stdout)["items"] if each["kind"] == "VirtualService")
    sent = route["spec"]["http"][0]["headers"]["request"]["set"]
    assert {name: sent[name] for name in MISTAKABLE} == MISTAKABLE
