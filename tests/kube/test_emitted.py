"""Whatever an APIRule becomes is taken by a real API server with Istio's own definitions."""

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
