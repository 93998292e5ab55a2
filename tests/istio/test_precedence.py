"""The first rule that matches method and path wins: in the route, in the policies, in the authorizer.

Four readings of one list of rules must agree on every request: the definition as it is written here,
`core.route`, the VirtualService, and the AuthorizationPolicies, the latter two read as Envoy reads them.
"""

import re
from string import ascii_letters, digits
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from authz.core import metadata, route
from authz.core.policy import Authorizer, Jwt
from authz.core.reason import Reason, Refused
from authz.core.request import Request
from authz.istio import apirule, policy, translate
from authz.istio.problem import Invalid
from tests.istio.meshes import SHOP as CLUSTER

HOST = "shop.example.com"
SEGMENT = set(ascii_letters + digits + "-._~%!$&'()*+,;:@=")  # what a wildcard of Envoy's takes
METHODS = ["GET", "POST", "OPTIONS"]
METADATA = ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/a"]

literals = st.sampled_from(["a", "b", "a.b", "a%20b", ""])
segments = st.one_of(literals, literals, st.just("{*}"))


@st.composite
def patterns(draw):
    parts = draw(st.lists(segments, max_size=3))
    if draw(st.booleans()):
        parts.insert(draw(st.sampled_from([len(parts), len(parts), 0, len(parts) // 2])), "{**}")
    return draw(st.sampled_from(["/*", "/" + "/".join(parts), "/" + "/".join(parts)]))


def access(index):
    keys = {"issuer": f"issuer-{index}", "jwksUri": "https://idp.example.com/keys"}
    return st.sampled_from(
        [{"noAuth": True}, {"jwt": {"authentications": [keys]}}, {"extAuth": {"authorizers": ["ours"]}}]
    )


@st.composite
def rules(draw):
    """APIRules that `parse` takes: a rule that is covered by earlier ones is dropped."""
    kept: list[dict[str, Any]] = []
    ambiguous = draw(st.sampled_from(["Allow", "Reject"]))
    cors = draw(st.sampled_from([{}, {"corsPolicy": {"allowOrigins": [{"exact": "https://a"}]}}]))
    for index in range(draw(st.integers(1, 5))):
        methods = draw(st.lists(st.sampled_from(METHODS), min_size=1, unique=True))
        rule = {"path": draw(patterns()), "methods": methods} | draw(access(index))
        if parsed([*kept, rule], ambiguous, cors):
            kept.append(rule)
    assume(kept)
    return kept, parsed(kept, ambiguous, cors)


def parsed(rules, ambiguous, cors):
    spec = {
        "hosts": [HOST],
        "gateway": "gateways/main",
        "service": {"name": "shop", "port": 80},
        "ambiguousPaths": ambiguous,
        "rules": rules,
    } | cors
    metadata = {"name": "shop", "namespace": "shop"}
    document = {
        "apiVersion": "gateway.kyma-project.io/v2",
        "kind": "APIRule",
        "metadata": metadata,
        "spec": spec,
    }
    try:
        return apirule.parse(document)
    except Invalid:
        return None


odd = [
    "a[x]",
    "[",
    "a;b",
    ";",
    "*",
    "a*",
    "a%2fb",
    "a%2Fb",
    "%5c",
    "%",
    "%4",
    "%zz",
    "a%20b",
    "%2e",
    "%25",
    "a|b",
    "c",
    ".",
    "..",
    "...",
]
paths = st.lists(st.one_of(literals, literals, st.sampled_from(odd)), max_size=5).map(
    lambda parts: "/" + "/".join(parts)
)


def near(rule):
    """A path of the pattern, wildcards filled in, so that most requests meet some rule."""
    fill = st.sampled_from(["a", "b", "a/b", "", "a.b", "x[y]", "a;b", "a*b", "a%2fb", ".", "a/.."])
    parts = rule["path"].replace("/*", "/{**}")[1:].split("/")
    return st.tuples(*(fill if "{" in part else st.just(part) for part in parts)).map(
        lambda filled: "/" + "/".join(filled)
    )


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_route_policies_and_authorizer_choose_the_rule_that_is_first(data):
    written, rule = data.draw(rules())
    path = data.draw(st.one_of(paths, *map(near, written)))
    method = data.draw(st.sampled_from([*METHODS, "DELETE"]))
    browser = {"origin": "https://b", "access-control-request-method": "GET"}
    headers = browser if method == "OPTIONS" and data.draw(st.booleans()) else {}
    expected = by_definition(rule, written, method, path)
    *policies, virtual_service = translate.translate(rule, CLUSTER)

    assert by_authorizer(rule, method, path) == expected
    routed = by_virtual_service(virtual_service, {"method": method, "uri": path} | headers)
    assert routed == expected or (routed == "preflight" and expected is None and headers)
    if expected != "ambiguous":  # the gateway has answered by then
        admitted, asked = by_policies(policies, method, path)
        assert admitted == ([] if expected is None else [expected])
        assert asked == (expected is not None and "extAuth" in written[expected])


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_metadata_is_asked_of_the_authorizer_wherever_it_answers_for_it(data):
    written, _ = data.draw(rules())
    own = data.draw(st.sampled_from([*METADATA, "/.well-known/{**}", "/{*}/oauth-protected-resource", "/c"]))
    written.insert(data.draw(st.integers(0, len(written))), {"path": own, "methods": ["GET"], "noAuth": True})
    rule = parsed(written, data.draw(st.sampled_from(["Allow", "Reject"])), {})
    assume(rule)
    path = data.draw(st.sampled_from(METADATA)) + data.draw(
        st.sampled_from(["", "/", "/a", "x", "/a;b", "/[c"])
    )
    method = data.draw(st.sampled_from([*METHODS, "HEAD"]))
    *policies, virtual_service = translate.translate(rule, CLUSTER)

    described = any("extAuth" in one for one in written) and not own.startswith("/.well-known/")
    rest = path.removeprefix(METADATA[0])
    expected = by_definition(rule, written, method, path)
    if described and method in ("GET", "HEAD") and rest[:1] in ("", "/") and expected != "ambiguous":
        expected = "resource-metadata"
    assert by_virtual_service(virtual_service, {"method": method, "uri": path}) == expected
    answer = answered(rule, method, path)
    if expected != "ambiguous":  # the gateway has answered by then
        assert bool(answer) == (expected == "resource-metadata")
        assert not answer or by_policies(policies, method, path)[1]


def answered(rule, method, path):
    """By the authorizer itself, be it with a refusal."""
    ours = Authorizer("ours", (Jwt("https://idp.example.com"),))
    try:
        return metadata.answer(policy.build([rule], {"ours": ours}, CLUSTER), Request(method, HOST, path))
    except Refused as refused:
        return refused.reason


def by_definition(rule, written, method, path):
    """As the documentation has it."""
    if rule.spec.ambiguous_paths == "Reject" and not plain(path):
        return "ambiguous"
    first = (i for i, one in enumerate(written) if method in one["methods"] and reads(one["path"], path))
    return next(first, None)


def plain(path):
    """No `//`, `/./` or `/../`, no escape of what structures a path, only URL characters without `;`."""
    escaped = {chr(int(code, 16)) for code in re.findall(r"%([0-9A-Fa-f]{2})", path)}
    literal = set(re.sub(r"%[0-9A-Fa-f]{2}", "", path))
    dots = {".", ".."} & set(path.split("/"))
    return (
        "//" not in path
        and not dots
        and not escaped & set("/\\.%\0")
        and literal <= SEGMENT - set("%;") | {"/"}
    )


def reads(pattern, path):
    if pattern.endswith(("/*", "/{**}")) and "{" not in pattern.removesuffix("{**}"):
        return path.startswith(pattern.rstrip("{*}"))
    return template(pattern, path)


def template(pattern, path):
    """Envoy's URI template: `{*}` takes one character or more of a segment, `{**}` any number, `/` too."""
    literal, brace, after = pattern.partition("{")
    if not brace:
        return path == literal
    operator, _, after = after.partition("}")
    letters = SEGMENT | {"/"} if operator == "**" else SEGMENT
    rest = path[len(literal) :]
    most = next((size for size, letter in enumerate(rest) if letter not in letters), len(rest))
    least = 0 if operator == "**" else 1
    return path.startswith(literal) and any(template(after, rest[size:]) for size in range(least, most + 1))


def by_authorizer(rule, method, path):
    try:
        found = route.match(policy.build([rule], {}, CLUSTER), Request(method, HOST, path))
    except Refused as refused:
        return {Reason.PATH_AMBIGUOUS: "ambiguous", Reason.RULE_MISSING: None}[refused.reason]
    return int(found.name.rpartition("/")[2])


def by_virtual_service(virtual_service, request):
    """Envoy takes the first route that matches; regular expressions match in full."""
    routes = virtual_service["spec"]["http"]
    before = sum("directResponse" in one or one.get("name") == "resource-metadata" for one in routes)
    for position, one in enumerate(routes):
        if any(all(meets(match, request)) for match in one["match"]):
            if "headers" in one["match"][0]:
                return "preflight"
            if "directResponse" in one:
                return "ambiguous"
            return one.get("name", position - before)
    return None


def meets(match, request):
    conditions = match | match.get("headers", {})
    for name in conditions.keys() - {"headers"}:
        ((kind, value),) = conditions[name].items()
        found = request.get(name, "")
        yield {
            "exact": found == value,
            "prefix": found.startswith(value),
            "regex": bool(re.fullmatch(value, found)) if kind == "regex" else False,
        }[kind]


def by_policies(policies, method, path):
    """The rules whose ALLOW admits the request (given a token that meets it), and whether CUSTOM asks."""
    entries = [
        entry for one in policies if one["spec"].get("action") == "ALLOW" for entry in one["spec"]["rules"]
    ]
    asking = [
        entry for one in policies if one["spec"].get("action") == "CUSTOM" for entry in one["spec"]["rules"]
    ]
    admitted = [index for index, entry in enumerate(entries) if covers(entry, method, path)]
    return admitted, any(covers(entry, method, path) for entry in asking)


def covers(entry, method, path):
    return any(
        method in operation["methods"]
        and any(istio_path(pattern, path) for pattern in operation["paths"])
        and not any(istio_path(pattern, path) for pattern in operation.get("notPaths", []))
        for operation in (to["operation"] for to in entry["to"])
    )


def istio_path(pattern, path):
    """A template, a prefix or the path itself (Istio, AuthorizationPolicy, Operation)."""
    if "{" in pattern:
        return template(pattern, path)
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern
