"""Two APIRules never give the same name to their objects, whoever may choose the names of namespaces."""

from authz.istio import apirule, names
from tests.controller.clusters import EXT
from tests.controller.clusters import apirule as written


def name(namespace):
    """Of the policy that guards it at the gateway, where those of all namespaces stand together."""
    document = written("api", EXT)
    document["metadata"]["namespace"] = namespace
    return names.metadata(apirule.parse(document), "custom", "istio-system")["name"]


def test_the_same_name_in_two_namespaces_gives_two_names():
    """These two had the first 8 digits of the hash in common: a pair is found in a second."""
    assert name("team-64548")[:18] == name("team-131438")[:18] == "api-custom-0298253"
    assert name("team-64548") != name("team-131438")


def test_the_longest_name_leaves_room_for_the_rest():
    """253 characters (Kubernetes, object names); an APIRule's name has 63 at most."""
    assert 63 + len("-custom-") + names.HASH_LENGTH <= 253
