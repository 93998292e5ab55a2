"""Each combination is rendered once for all tests; one API server takes all that is installed."""

import pytest
import yaml

from authz.local import programs
from tests.charts.helm import COMBINATIONS, NAMESPACE, rendered
from tests.kube.server import ApiServer

_OPERATORS = ("servicemonitors", "prometheusrules")


@pytest.fixture(scope="session")
def all_rendered():
    return {name: rendered(values) for name, values in COMBINATIONS.items()}


@pytest.fixture(params=COMBINATIONS)
def documents(request, all_rendered):
    return all_rendered[request.param]


@pytest.fixture(scope="session")
def kube(tmp_path_factory):
    account = f"system:serviceaccount:{NAMESPACE}:authz"
    users = {"controller": (f"{account}-controller",), "authorizer": (account,)}
    with ApiServer(tmp_path_factory.mktemp("charts"), users) as server:
        folder = programs.prometheus_crds()
        files = [folder / f"monitoring.coreos.com_{name}.yaml" for name in _OPERATORS]
        server.install(yaml.load(file.read_text(), yaml.CSafeLoader) for file in files)
        for namespace in ("istio-system", NAMESPACE):
            server.namespace(namespace)
        yield server
