"""Where the controller looks for the mesh's own configuration."""

from dataclasses import replace

from authz.server.ruleset import mesh_of
from tests.controller.clusters import EXT, SETTINGS, apirule, mesh
from tests.controller.worlds import Alone

CANARY = replace(mesh_of(SETTINGS), mesh_config="mesh/istio-canary")


def test_the_mesh_is_watched_where_the_settings_say():
    (kind,) = [kind for kind in Alone(CANARY).world.stores if kind.name == "ConfigMap"]
    assert (kind.namespace, kind.fields) == ("mesh", "metadata.name=istio-canary")


def test_what_that_mesh_lacks_is_what_an_apirule_is_told_of():
    """The mesh of `istio-system/istio` has the provider, and is another's."""
    alone = Alone(CANARY)
    alone.put(mesh("[{name: other}]"), namespace="mesh", name="istio-canary")
    alone.put(apirule("shop", EXT))
    (told,) = alone.run().values()
    assert "extensionProviders in ConfigMap mesh/istio-canary, as" in told
    alone.put(mesh("[{name: authz}]"), namespace="mesh", name="istio-canary")
    assert alone.run() == {"shop/shop": "done"}
