"""Whatever was written, no request passes by the converted rules that did not before, unless accepted."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from authz import config, writing
from authz.core.request import Request
from authz.migrate.conversion.convert import Conversion, convert
from authz.migrate.conversion.model.choices import Choices
from authz.migrate.conversion.model.made import literal
from authz.migrate.old.rule import World
from authz.migrate.paths import patterns
from authz.migrate.report.rows import Verdict
from authz.migrate.verification.mesh import Mesh
from authz.server import ruleset
from authz.server.files import Document, Read
from authz.sources import Sources
from authz.sources.http import Client
from tests import idp
from tests.idp import NOW
from tests.migrate import ancient, worlds
from tests.migrate.ancient import Shown
from tests.migrate.written import OPEN, UNCHECKED, access_rule, access_rules, apirule, strategy

METHODS = ("GET", "POST", "PUT")
WITNESSES = 10  # of each pattern
ODD = (
    ("a", "a;x"),
    ("/", "//"),
    ("/", "%2F"),
    (":", "%3A"),
    ("@", "%40"),
    ("a", "a%3Ab"),
    ("a", "a%2Fb"),
    ("/a", "/.."),
)

KEYS = f"jwks_urls: [{idp.ISSUER}/keys], trusted_issuers: [{idp.ISSUER}]"
JWT = f"{{handler: jwt, config: {{{KEYS}}}}}"
SCOPED = f"{{handler: jwt, config: {{{KEYS}, required_scope: [a], scope_strategy: exact}}}}"
MESHED = (
    f"[{{handler: jwt, config: {{authentications: [{{issuer: {idp.ISSUER}, jwksUri: {idp.ISSUER}/keys}}]}}}}]"
)
ELSEWHERE = f"{{handler: jwt, config: {{{KEYS}, token_from: {{header: X-Token}}}}}}"
HANDLERS = ("{handler: noop}", "{handler: anonymous}", "{handler: unauthorized}", JWT, SCOPED, ELSEWHERE)

TOKENS = {"opaque": "opaque", "token": idp.sign(idp.claims(scope=""))}
SHOWN = {
    Shown("nothing"): {},
    Shown("other"): {"authorization": "Basic YTpi"},
    Shown("opaque"): {"authorization": "Bearer opaque"},
    Shown("token"): {"authorization": f"Bearer {TOKENS['token']}"},
    Shown("token", ("a",)): {"authorization": f"Bearer {idp.sign(idp.claims(scope='a'))}"},
    **{Shown("nothing", beside=kind): {"x-token": text} for kind, text in TOKENS.items()},
    **{
        Shown("other", beside=kind): {"authorization": "Basic YTpi", "x-token": text}
        for kind, text in TOKENS.items()
    },
}

_PIECES = ("a", "b", "admin", "[^/]+", ".*", "(a|b)", "v[0-9]+", "a:b", "x@y", "a.*", "[^:/]+", "[a-m]+")
_ENDS = ("", "/?", "(/.*)?", "/.*", "/")
_REST = ("(?!admin(/|$)).*", "(?!a$).*", "(?!a:b$)[^/]+", ".*", "[^/]+")

segments = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=2).map("/".join)
expressions = st.one_of(
    st.builds(lambda body, end: f"/{body}{end}", segments, st.sampled_from(_ENDS)),
    st.builds(lambda one, other: f"/{one}|/{other}", segments, segments),
    st.just("/.*"),
)
urls = st.one_of(
    st.builds(
        lambda stem, rest: f"/{stem}<{rest}>", st.sampled_from(("", "a/", "admin")), st.sampled_from(_REST)
    ),
    st.builds(
        lambda stem, end: f"/{stem}{end}",
        st.sampled_from(("a", "b", "admin", "a:b")),
        st.sampled_from(("", "<(/.*)?>", "/<.*>", "/<[^/]+>/b")),
    ),
    expressions.map(lambda text: f"<{text}>"),
)
methods = st.sampled_from(("GET", "POST", "GET POST"))
handlers = st.lists(st.sampled_from(HANDLERS), min_size=1, max_size=2, unique=True).map(
    lambda names: f"[{', '.join(names)}]"
)
kymas = st.one_of(handlers, st.sampled_from((OPEN, UNCHECKED, MESHED)))
worlds_of_kyma = st.lists(st.builds(strategy, expressions, methods, kymas), min_size=1, max_size=4).map(
    lambda rules: apirule(*rules)
)
hosts = st.sampled_from(
    ("x.example.com", "x.example.com", "y.example.com", "<.*>.example.com", "<x|z>.example.com")
)
everywhere = st.builds(lambda host, path: f"<http|https>://{host}{path}", hosts, urls)
worlds_of_oathkeeper = st.lists(
    st.builds(
        access_rule, everywhere, handlers, methods, authorizer=st.sampled_from(("allow", "allow", "deny"))
    ),
    min_size=1,
    max_size=4,
).map(lambda rules: access_rules(*rules))


@settings(max_examples=50)
@given(st.one_of(worlds_of_kyma, worlds_of_oathkeeper))
def test_no_request_gains_by_a_conversion(world):
    made = convert(world, Choices(gateway="istio-system/gateway"))
    assert [one for one in made.findings if one.verdict is Verdict.WIDENED] == []
    if made.apirules:
        assert asyncio.run(gained(world, made)) == []


def paths(world: World, made: Conversion) -> Iterator[str]:
    """In, at the edge of and outside each pattern, and spelt in other ways."""
    found: dict[str, None] = {}
    for rule in world.rules:
        with suppress(patterns.Undecided):
            witnesses = patterns.witnesses(rule.path.text, rule.path.strategy, WITNESSES)
            found |= dict.fromkeys(one.path for one in witnesses)
    for one in made.apirules:
        found |= dict.fromkeys(literal(rule["path"]) for rule in one["spec"]["rules"])
    for path in found:
        yield path
        yield from (path.replace(old, new) for old, new in ODD if old in path)


def asked_hosts(world: World) -> tuple[str, ...]:
    if world.rules[0].origin.kind == "APIRule":
        return (world.rules[0].hosts[0].text,)
    return ("x.example.com", "z.example.com", "a.b.example.com")


async def gained(world: World, made: Conversion) -> list[tuple[str, str, Shown]]:
    """The requests that pass now and did not before."""
    bodies = [*made.apirules, *worlds.around(made.apirules)]
    loaded = ruleset.load(
        Read(tuple(Document("f", body) for body in bodies)), config.parse(writing.write([made.config]))
    )
    assert loaded.problems == ()
    client = Client(transport=idp.transport())
    sources = Sources(client, lambda: 0.0)
    mesh, found = Mesh(loaded, sources), []
    try:
        asked = product(asked_hosts(world), paths(world, made), METHODS, SHOWN.items())
        for host, path, method, (shown, headers) in asked:
            if not ancient.passes(world.rules, method, host, path, shown):
                outcome = await mesh.decide(Request(method, host, path, "", headers), NOW)
                found += [(method, host + path, shown)] if outcome.allows else []
    finally:
        await sources.close()
        await client.close()
    return found
