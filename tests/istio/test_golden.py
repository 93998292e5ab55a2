"""Each `golden/NAME.in.yaml` gives `NAME.out.yaml`, and `NAME.err.txt` where something is wrong.

`GOLDEN=write` writes them anew: then the difference is what there is to review.
"""

import os
from pathlib import Path

import pytest
import yaml

from authz.core.policy import Authorizer, Session
from authz.istio import apirule, translate
from authz.istio.problem import Invalid, Problem
from tests.istio.meshes import known

GOLDEN = Path(__file__).parent / "golden"


class Plain(yaml.SafeDumper):
    """Lists are indented under their key, and nothing is an alias."""

    def increase_indent(self, flow=False, indentless=False):  # noqa: ARG002 - PyYAML's own signature
        return super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data):  # noqa: ARG002 - PyYAML's own signature
        return True


@pytest.mark.parametrize("source", sorted(GOLDEN.glob("*.in.yaml")), ids=lambda path: path.name[:-8])
def test_input_gives_the_golden_output(source):
    stem = source.name.removesuffix(".in.yaml")
    emitted, problems = run(list(yaml.safe_load_all(source.read_text())))
    compare(GOLDEN / f"{stem}.out.yaml", yaml.dump_all(emitted, Dumper=Plain, sort_keys=False, width=110))
    compare(GOLDEN / f"{stem}.err.txt", "".join(f"{problem}\n" for problem in problems))


def run(documents):
    emitted: list[translate.Resource] = []
    problems: list[Problem] = []
    ours = authorizers(documents)
    headers = {header for one in ours for header in one.get("identityHeaders", {})}
    around = known(documents, map(authorizer, ours), headers)
    for document in documents:
        if document["kind"] == "APIRule":
            try:
                emitted += translate.translate(apirule.parse(document), around)
            except Invalid as error:
                problems += error.problems
    return emitted, problems


def authorizers(documents):
    for document in documents:
        if document["kind"] == "ConfigMap" and document["metadata"]["name"] == "authz":
            return yaml.safe_load(document["data"]["authz.yaml"])["authorizers"]
    return []


def authorizer(found):
    """As much of it as the mesh is told of."""
    sessions = (one["session"] for one in found.get("accept", ()) if "session" in one)
    accept = (Session(one["oauth2Proxy"], prefix=one.get("prefix", "/oauth2")) for one in sessions)
    return Authorizer(found["name"], tuple(accept))


def compare(golden, text):
    if os.environ.get("GOLDEN") == "write":
        golden.unlink(missing_ok=True)
        if text:
            golden.write_text(text)
    assert text == (golden.read_text() if golden.exists() else "")
