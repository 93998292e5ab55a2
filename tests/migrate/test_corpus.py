"""The corpus: what people have, and every shape that there is. All of it is converted, or asked about."""

import json

import pytest
from click.testing import CliRunner

from authz import config as settings
from authz import writing
from authz.cli import main
from authz.migrate.conversion import rendering
from authz.migrate.conversion.convert import convert
from authz.migrate.conversion.model.choices import CODES, Choices
from authz.migrate.report import rows as report
from authz.migrate.report.rows import Verdict
from authz.server import ruleset
from authz.server.files import Document, Read
from tests.migrate import worlds
from tests.migrate.worlds import GLOB, REALISTIC, SHAPES

HYDRA = "http://ory-hydra-admin.kyma-system.svc.cluster.local:4445/oauth2/introspect"
GENEROUS = Choices(
    accepted=frozenset(CODES),
    issuers={
        HYDRA: "https://oauth2.example.com/",
        "https://nobody-says.example.com/keys": "https://nobody-says.example.com",
        "https://idp.example.com/keys/1": "https://idp.example.com",
        "https://idp.example.com/token": "https://idp.example.com",
        "http://kratos.auth:4433/sessions/whoami": "https://idp.example.com",
    },
    gateway="istio-system/gateway",
    hosts={"<.*>": ("any.example.com",)},
    session="http://oauth2-proxy.auth:4180",
)
ALL = [REALISTIC, SHAPES, GLOB]


@pytest.fixture(params=[Choices(), GENEROUS], ids=["no answers", "answers"])
def choices(request):
    return request.param


def test_nearly_all_of_what_people_have_needs_no_hand():
    world = worlds.read(REALISTIC)
    assert len(world.rules) == 144
    made = convert(world)
    waiting = [pair for pair in made.pairs if not pair.apirule]
    assert json.loads(rendering.as_json(made))["summary"]["waiting"] == len(waiting)
    assert 1 - len(waiting) / 144 >= 0.96
    assert {pair.old.handlers for pair in waiting} == {("oauth2_introspection",)}
    asked = {(one.message, one.answer) for one in made.findings if one.verdict is Verdict.DECISION}
    ((message, answer),) = asked  # one question for all of them, and where its answer is
    assert "https://oauth2.DOMAIN/.well-known/openid-configuration" in message
    assert answer == f"--issuer {HYDRA}=ISSUER"


def test_one_answer_converts_the_rest():
    made = convert(worlds.read(REALISTIC), Choices(issuers={HYDRA: "https://oauth2.example.com/"}))
    assert not made.open
    assert all(pair.apirule for pair in made.pairs)


def test_the_corpus_has_rules_enough():
    assert sum(len(worlds.read(folder).rules) for folder in ALL) >= 240


@pytest.mark.parametrize("folder", ALL, ids=lambda folder: folder.name)
def test_whatever_is_written_renders(folder, choices):
    made = convert(worlds.read(folder), choices)
    bodies = [*made.apirules, *worlds.around(made.apirules)]
    parsed = settings.parse(writing.write([made.config]))
    loaded = ruleset.load(Read(tuple(Document("f", body) for body in bodies)), parsed)
    assert loaded.problems == ()
    assert len(loaded.rules) == len(made.apirules)
    assert ruleset.translate(loaded)[1] == []


@pytest.mark.parametrize("folder", ALL, ids=lambda folder: folder.name)
def test_every_field_is_spoken_of(folder, choices):
    world = worlds.read(folder)
    findings = convert(world, choices).findings
    for one in world.objects:
        about = [finding for finding in findings if finding.object == str(one.origin)]
        assert [at for at, value in report.silent(one.body, about) if value not in (None, "", {}, [])] == []


@pytest.mark.parametrize("folder", ALL, ids=lambda folder: folder.name)
def test_a_question_is_one_and_has_an_answer(folder, choices):
    for finding in convert(worlds.read(folder), choices).findings:
        if finding.verdict is Verdict.DECISION:
            assert finding.message.count("?") == 1, finding
            assert finding.answer, finding


@pytest.mark.parametrize("folder", ALL, ids=lambda folder: folder.name)
def test_nothing_is_widened_unless_somebody_accepts_it(folder):
    findings = convert(worlds.read(folder), Choices(issuers=GENEROUS.issuers, gateway="a/b")).findings
    assert [finding for finding in findings if finding.verdict is Verdict.WIDENED] == []


@pytest.mark.parametrize("folder", ALL, ids=lambda folder: folder.name)
def test_what_a_decision_is_open_about_is_not_written(folder, choices):
    made = convert(worlds.read(folder), choices)
    waiting = {finding.object for finding in made.findings if finding.verdict is Verdict.DECISION}
    assert {str(pair.old.origin) for pair in made.pairs if pair.apirule} & waiting == set()
    waiting |= {finding.object for finding in made.findings if finding.code == report.WAITS}
    assert waiting == set(made.open)


def test_no_secret_goes_from_hand_to_hand(choices):
    made = convert(worlds.read(SHAPES), choices)
    told = rendering.markdown(made) + rendering.as_json(made) + writing.write([made.config])
    for secret in ("not-real", "bm90OnJlYWw=", "c2hvcDpub3QtcmVhbA=="):
        assert secret not in told


@pytest.mark.parametrize("folder", ALL, ids=lambda folder: folder.name)
def test_the_configuration_has_no_mistakes(folder, tmp_path):
    answers = [f"--issuer={url}={issuer}" for url, issuer in GENEROUS.issuers.items()]
    answers += [f"--accept={code}" for code in CODES if code != "changed:id-token"]
    answers += ["--gateway=a/b", "--session=http://oauth2-proxy.auth:4180", "--host=<.*>=any.example.com"]
    CliRunner().invoke(
        main, ["migrate", "convert", str(folder), "--offline", "--out", str(tmp_path), *answers]
    )
    checked = CliRunner().invoke(main, ["config", "check", str(tmp_path / "authz.yaml")])
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert json.loads((tmp_path / "report.json").read_text())["summary"]["rules"] > 0
