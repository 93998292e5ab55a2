"""The configuration file."""

import pytest

from authz import config, example, values
from authz.core.policy import ALGORITHMS

AT = "authorizers[0].accept[0].jwt"
LABEL = "a name has lower-case letters, digits and inner hyphens, 63 at most"
PRINCIPAL = "istio.gatewayPrincipal: a principal is TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT"
JWT = "{jwt: {issuer: https://i, audiences: [a]}}"


def problems(text: str) -> list[str]:
    try:
        config.parse(text)
    except config.Invalid as invalid:
        return list(invalid.problems)
    return []


def test_an_empty_file_is_all_defaults():
    settings = config.parse("")
    assert (settings.listen.grpc, settings.sources.ttl, settings.authorizers) == ("0.0.0.0:9191", 600.0, ())


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.5, "500ms"), (5.0, "5s"), (90.0, "90s"), (600.0, "10m"), (86_400.0, "24h")]
)
def test_a_duration_is_written_as_a_person_would(seconds, expected):
    assert values.duration(seconds) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("5m", 300.0),
        ("1h", 3600.0),
    ],
)
def test_a_duration_has_a_unit(text, expected):
    assert config.parse(f"sources: {{timeout: {text}}}").sources.timeout == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lisen: {}", ["lisen: unknown setting, did you mean listen?"]),
        ("sources: {ttl: 5}", ["sources.ttl: a duration is a number and a unit, like 500ms, 30s, 5m or 1h"]),
        (
            "sources: {ttl: -5s}",
            ["sources.ttl: a duration is a number and a unit, like 500ms, 30s, 5m or 1h"],
        ),
        ("sources: {ttl: 0s}", ["sources.ttl: a duration is longer than nothing"]),
        ("listen: {grpc: 9191}", ["listen.grpc: an address is HOST:PORT or unix:/path"]),
        ("listen: {grpc: 'h:99999'}", ["listen.grpc: an address is HOST:PORT or unix:/path"]),
        ("istio: {gatewaySelector: {}}", ["istio.gatewaySelector: at least one is needed"]),
        ("istio: {meshConfig: istio}", ["istio.meshConfig: an object is named NAMESPACE/NAME"]),
        ("transport: h3", ["transport: choose from: h2 or grpcio"]),
        ("- 1", ["a mapping of settings is expected"]),
        (
            "image: {}\nconfig: {lisen: {}}",
            ["these are values of the chart: the configuration is what stands below `config` in them"],
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\ndata: {}",
            ["a Kubernetes object: in the chart's ConfigMap the configuration is data[authz.yaml]"],
        ),
        ("listen: 7", ["listen: a mapping of settings is expected"]),
        (
            "authorizers: [{name: a, accept: []}]",
            ["authorizers[0]: accept or anonymous is needed, or nobody: true and neither"],
        ),
        (
            "authorizers: [{name: a, nobody: true, anonymous: {}}]",
            ["authorizers[0]: accept or anonymous is needed, or nobody: true and neither"],
        ),
        (
            "authorizers: [{name: a, accept: [{jwt: {issuer: i}}]}]\nfoo: 1",
            [
                "authorizers[0].accept[0].jwt: audiences or anyAudience: true is needed, and not both",
                "foo: unknown setting",
            ],
        ),
        (
            "authorizers: [{name: a, accept: [{jwt: {issuer: i, audiences: [a], algorithms: [HS256]}}]}]",
            [f"authorizers[0].accept[0].jwt: unknown algorithms HS256; choose from {sorted(ALGORITHMS)}"],
        ),
        (
            f"authorizers: [{{name: a, accept: [{JWT}]}}, {{name: a, accept: [{JWT}]}}]",
            ["authorizers share a name: a"],
        ),
        (
            f"authorizers: [{{name: a, accept: [{JWT}], identityHeaders: {{X-A: sub}}}}]",
            ["authorizers[0].identityHeaders.X-A: a header's name is in lower case, and without underscores"],
        ),
        (
            f"authorizers: [{{name: a, accept: [{JWT}], identityHeaders: {{host: sub}}}}]",
            ["authorizers[0].identityHeaders.host: the header host has a meaning of its own"],
        ),
        (
            f"authorizers: [{{name: a, accept: [{JWT}], identityHeaders: {{origin: sub}}}}]",
            ["authorizers[0].identityHeaders.origin: the header origin has a meaning of its own"],
        ),
        ("authorizers: [{name: a, accept: {session: {}}}]", ["authorizers[0].accept: a list is expected"]),
    ],
)
def test_every_mistake_is_reported_with_its_path(text, expected):
    assert problems(text) == expected


def test_broken_yaml_is_reported_with_its_line():
    (problem,) = problems("listen: {\n")
    assert "line 2" in problem


def test_a_secret_in_the_wrong_place_is_not_repeated():
    assert "s3cret" not in "".join(problems("sources: {ttl: s3cret}\nlisten: {grpc: s3cret}"))


def test_the_example_is_valid_and_names_every_section():
    settings = config.parse(example.render())
    jwt, introspection, session = settings.authorizers[0].accept
    assert all((jwt.jwt, introspection.introspection, session.session))
    assert all(f"\n{name}:" in example.render() for name in ("listen", "istio", "sources", "log"))


def test_a_file_that_can_not_be_read_is_a_mistake(tmp_path):
    (tmp_path / "latin").write_bytes(b"\xff")
    for path in (tmp_path, tmp_path / "gone", tmp_path / "latin"):
        with pytest.raises(config.Invalid, match="can not be read"):
            config.read(path)
