"""What only the whole document tells; its mistakes are golden cases."""

import pytest

from authz.istio import apirule
from authz.istio.problem import Invalid


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
