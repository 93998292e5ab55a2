"""Whose APIRules may lead to a Service."""

import pytest

from authz.istio import objects, services
from authz.istio.services import ALLOWED


@pytest.mark.parametrize(
    ("said", "admitted"),
    [
        ("shop", {"shop"}),
        ("shop,web", {"shop", "web"}),
        (" shop , web ", {"shop", "web"}),
        ("shop web", {"shop", "web"}),
        ("*", {"shop", "web", "evil"}),
        ("", set()),
        ("sho", set()),
    ],
)
@pytest.mark.parametrize("unless_said", [True, False])
def test_a_service_names_the_namespaces_that_it_admits(said, admitted, unless_said):
    metadata = {"name": "s", "namespace": "other", "annotations": {ALLOWED: said}}
    (read,) = objects.read(
        objects.Service, [{"apiVersion": "v1", "kind": "Service", "metadata": metadata}], []
    )
    found = services.known(read)
    assert {name for name in ("shop", "web", "evil") if found.admits(name, unless_said)} == admitted


@pytest.mark.parametrize("unless_said", [True, False])
def test_one_that_says_nothing_does_as_is_configured(unless_said):
    assert services.Service().admits("shop", unless_said) is unless_said
