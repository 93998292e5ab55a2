"""What only the whole document tells; its mistakes are golden cases."""

import pytest

from authz.istio import apirule
from authz.istio.problem import Invalid
from authz.istio.schema import Spec


@pytest.mark.parametrize(
    "document", [{}, {"spec": None}, {"spec": {"rules": None}}, {"spec": {"rules": [1]}}, {"spec": []}]
)
def test_whatever_is_written_there_is_an_explanation(document):
    with pytest.raises(Invalid) as caught:
        apirule.parse({"apiVersion": "gateway.kyma-project.io/v2", "kind": "APIRule"} | document)
    assert "metadata: is required" in str(caught.value)


@pytest.mark.parametrize(("name", "taken"), [("a" * 63, True), ("a" * 64, False)])
def test_a_name_fits_into_a_label(name, taken):
    document = {
        "apiVersion": "gateway.kyma-project.io/v2",
        "kind": "APIRule",
        "metadata": {"name": name, "managedFields": []},
        "spec": {
            "gateway": "a/b",
            "hosts": ["a.example.com"],
            "service": {"name": "a", "port": 1},
            "rules": [{"path": "/", "methods": ["GET"], "noAuth": True}],
        },
    }
    if taken:
        assert apirule.parse(document).key == f"default/{name}"
    else:
        with pytest.raises(Invalid, match=r"metadata\.name"):
            apirule.parse(document)


OPEN = {"noAuth": True}
CLOSED = {"jwt": {"authentications": [{"issuer": "https://idp", "jwksUri": "https://idp/keys"}]}}
ELSEWHERE = OPEN | {"service": {"name": "b", "port": 1}}

DEFAULTS = [
    ([("/*", "GET", OPEN)], False),
    ([("/{**}", "GET PUT", CLOSED), ("/*", "POST", CLOSED)], False),
    ([("/a", "GET", OPEN), ("/*", "GET", OPEN)], False),
    ([("/a", "GET", CLOSED), ("/*", "GET", OPEN)], True),
    ([("/a", "GET", ELSEWHERE), ("/*", "GET", OPEN)], True),
    ([("/public/{**}", "GET", OPEN)], True),
    ([("/", "GET", OPEN)], True),
    ([("/{*}/{**}", "GET", OPEN)], True),
    ([("/a", "GET PUT", OPEN), ("/*", "GET", OPEN)], True),
]


@pytest.mark.parametrize(("rules", "rejects"), DEFAULTS)
def test_ambiguous_paths_are_rejected_unless_all_of_the_workload_is_open_alike(rules, rejects):
    spec = Spec.model_validate(
        {
            "gateway": "a/b",
            "hosts": ["a.example.com"],
            "service": {"name": "a", "port": 1},
            "rules": [{"path": path, "methods": methods.split()} | rest for path, methods, rest in rules],
        }
    )
    assert spec.rejects_ambiguous is rejects
