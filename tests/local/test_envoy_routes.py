"""VirtualServices as routes: what matches, where it goes, and what is said on the way."""

import pytest

from authz.local import envoy
from authz.local.envoy.bootstrap import as_json
from tests.local.meshes import mesh, to_shop, virtual_service


def regex(pattern):
    return {"safe_regex": {"regex": pattern}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ({"exact": "/a"}, {"path": "/a"}),
        ({"prefix": "/a"}, {"prefix": "/a"}),
        ({"regex": "/a.*"}, regex("/a.*")),
    ],
)
def test_a_route_matches_by_path_and_method(path, expected):
    made = routes(to_shop(match=[{"uri": path, "method": {"exact": "GET"}}]))
    method = {"name": ":method", "string_match": {"exact": "GET"}}
    assert made[0]["match"] == {**expected, "case_sensitive": True, "headers": [method]}


def test_a_route_may_match_by_authority_alone():
    [made] = routes(to_shop(match=[{"authority": {"regex": ".*:.*"}}]))
    authority = {"name": ":authority", "string_match": regex(".*:.*")}
    assert made["match"] == {"prefix": "/", "case_sensitive": True, "headers": [authority]}


def test_a_route_may_match_by_headers():
    [made] = routes(to_shop(match=[{"headers": {"x-b": {"prefix": "1"}, "x-a": {"exact": "2"}}}]))
    assert made["match"]["headers"] == [
        {"name": "x-a", "string_match": {"exact": "2"}},
        {"name": "x-b", "string_match": {"prefix": "1"}},
    ]


def test_a_route_without_a_match_takes_all_and_several_matches_are_several_routes():
    uris = [{"uri": {"exact": path}} for path in ("/a", "/b")]
    made = routes(to_shop(match=uris), to_shop())
    assert [each["match"].get("path") for each in made] == ["/a", "/b", None]


def test_a_direct_response_answers_in_place_of_the_workload():
    [made] = routes({"directResponse": {"status": 400, "body": {"string": "no"}}})
    assert made["direct_response"] == {"status": 400, "body": {"inline_string": "no"}}


def test_headers_are_set_added_and_removed_on_both_ways():
    change = {"set": {"x-b": "1", "x-a": "2"}, "add": {"cookie": "c=1"}, "remove": ["x-c"]}
    [made] = routes(to_shop(headers={"request": change, "response": change}))
    for way in ("request", "response"):
        added = [(each["header"]["key"], each.get("append_action")) for each in made[f"{way}_headers_to_add"]]
        overwrite = "OVERWRITE_IF_EXISTS_OR_ADD"
        assert added == [("x-a", overwrite), ("x-b", overwrite), ("cookie", None)]
        assert made[f"{way}_headers_to_remove"] == ["x-c"]


@pytest.mark.parametrize(
    ("retries", "expected"),
    [
        ({"attempts": 0}, None),
        ({"attempts": 5, "perTryTimeout": "500ms", "retryOn": "5xx"}, (5, "0.500s", "5xx")),
    ],
)
def test_a_route_retries_as_it_says(retries, expected):
    [made] = routes(to_shop(retries=retries))
    policy = made["route"].get("retry_policy")
    assert expected == (policy and (policy["num_retries"], policy["per_try_timeout"], policy["retry_on"]))


@pytest.mark.parametrize(
    ("copied", "expected"),
    [
        ({"mirror": {"host": "shop"}}, [("outbound|8000||shop.apps.svc.cluster.local", {"numerator": 100})]),
        (
            {"mirror": {"host": "shop"}, "mirrorPercentage": {"value": 0.5}},
            [("outbound|8000||shop.apps.svc.cluster.local", {"numerator": 5000, "denominator": "MILLION"})],
        ),
        ({"mirror": {"host": "shop"}, "mirrorPercentage": {"value": 0}}, []),
        (
            {
                "mirrors": [
                    {"destination": {"host": "a.b.c", "port": {"number": 9}}},
                    {"destination": {"host": "a"}},
                ]
            },
            [
                ("outbound|9||a.b.c", {"numerator": 100}),
                ("outbound|80||a.apps.svc.cluster.local", {"numerator": 100}),
            ],
        ),
    ],
)
def test_a_route_may_send_copies_elsewhere(copied, expected):
    """The whole of the requests, unless a share is said; to the Service's only port, or the gateway's."""
    [made] = routes(to_shop(**copied))
    mirrors = made["route"].get("request_mirror_policies", [])
    assert [(each["cluster"], each["runtime_fraction"]["default_value"]) for each in mirrors] == expected


def test_virtual_services_of_one_host_are_merged_the_older_first_and_what_takes_everything_last():
    """Istiod's gateway, and SortVHostRoutes; what follows it within one VirtualService is never reached."""
    younger, older = (
        virtual_service(to_shop(match=[{"uri": {"exact": path}}]), to_shop(), to_shop(match=[{"name": "x"}]))
        for path in ("/a", "/b")
    )
    younger["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    older["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    [host] = table(younger, older)["virtual_hosts"]
    assert [each["match"].get("path") for each in host["routes"]] == ["/b", "/a", None, None]


def routes(*http):
    return table(virtual_service(*http))["virtual_hosts"][0]["routes"]


def table(*virtual_services):
    [listener] = envoy.compile(virtual_services, mesh()).gateway.listeners
    manager = as_json(listener)["filter_chains"][0]["filters"][0]["typed_config"]
    return manager["route_config"]
