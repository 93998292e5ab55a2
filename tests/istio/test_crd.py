"""The definition as a value: structural, bounded, and of the same fields and words as the model."""

import re

import pytest

from authz.istio import crd
from authz.istio.openapi import RULES
from authz.istio.schema import Spec

FIRST, SECOND = crd.build()["spec"]["versions"]


def walk(node, path):
    """Each value's schema, and where it stands."""
    yield path, node
    for name, inner in node.get("properties", {}).items():
        yield from walk(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in node:
            yield from walk(node[key], f"{path}[]")


NODES = dict(walk(FIRST["schema"]["openAPIV3Schema"], "apirule"))
RULED = {path: node[RULES] for path, node in NODES.items() if RULES in node}


def test_v2_is_stored_and_v2alpha1_is_served_alike():
    assert (FIRST["name"], FIRST["storage"]) == ("v2", True)
    assert SECOND == FIRST | {"name": "v2alpha1", "storage": False}


def test_kymas_columns_come_first():
    assert [column["name"] for column in FIRST["additionalPrinterColumns"]][:2] == ["Status", "Hosts"]


@pytest.mark.parametrize("path", NODES)
def test_every_value_has_a_type_and_an_explanation(path):
    assert NODES[path]["type"] in ("object", "array", "string", "integer", "boolean")
    assert path.endswith("]") or path == "apirule.metadata" or NODES[path]["description"]


@pytest.mark.parametrize("path", [path for path in NODES if path.startswith("apirule.spec")])
def test_whatever_can_grow_is_bounded(path):
    bound = {"array": "maxItems", "string": "maxLength"}.get(NODES[path]["type"])
    assert bound in NODES[path] or "enum" in NODES[path] or bound is None
    assert ("additionalProperties" in NODES[path]) == ("maxProperties" in NODES[path])


@pytest.mark.parametrize("path", RULED)
def test_every_rule_says_what_is_wrong(path):
    assert all(rule["message"] and rule["rule"] for rule in RULED[path])


def test_every_field_of_the_model_is_there():
    fields = {field.alias for field in Spec.model_fields.values()}
    assert set(NODES["apirule.spec"]["properties"]) == fields
    assert NODES["apirule.spec"]["required"] == ["hosts", "gateway", "rules"]


def test_nothing_is_filled_in_for_the_author():
    assert not any("default" in node for node in NODES.values())


def test_patterns_are_ones_that_re2_and_python_read_alike():
    patterns = re.findall(r'matches\(r"(.*?)"\)', str(RULED).replace("\\\\", "\\"))
    assert len(patterns) > 10
    assert not any("(?=" in pattern or "(?!" in pattern or "\\Z" in pattern for pattern in patterns)


def test_a_state_is_one_of_kymas():
    states = NODES["apirule.status.state"]["enum"]
    assert states == ["Ready", "Warning", "Error", "Processing", "Deleting"]
    assert NODES["apirule.status"]["required"] == ["state"]
