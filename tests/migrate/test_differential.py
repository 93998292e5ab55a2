"""The whole corpus, asked of the real Oathkeeper and of what it became: no difference without a reason."""

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from authz import config as settings
from authz import writing
from authz.migrate.conversion import convert
from authz.migrate.conversion.model.choices import CODES, Choices
from authz.migrate.old import files, kinds, reading
from authz.migrate.verification import proof
from authz.migrate.verification.proof import Matter, Wanted
from authz.server import ruleset
from authz.server.files import Document, Read
from tests.migrate import alive, ory, worlds
from tests.migrate.worlds import GLOB, REALISTIC, SHAPES

pytestmark = pytest.mark.slow


def lively(addresses, *folders):
    """The documents, with addresses that answer."""
    found, problems = files.read(map(str, folders))
    assert not problems
    return [(file, addresses.moved(body)) for file, body in found]


def loaded(made, folder):
    """What was made, in a cluster that has what it names, and secrets where they can be read."""
    secret = folder / "secret"
    secret.write_text("secret")
    config = json.loads(json.dumps(made.config))
    for authorizer in config.get("authorizers", ()):
        for accept in authorizer.get("accept", ()):
            for one in accept.values():
                one.update({"clientSecretFile": str(secret)} if "clientSecretFile" in one else {})
    bodies = [*made.apirules, *worlds.around(made.apirules)]
    found = ruleset.load(
        Read(tuple(Document("f", body) for body in bodies)), settings.parse(writing.write([config]))
    )
    assert found.problems == ()
    return found


@dataclass(frozen=True)
class Part:
    """Of the corpus: what one Oathkeeper serves, and how many of the requests are about it."""

    folders: tuple[Path, ...]
    requests: int
    strategy: str = ""
    accepted: frozenset[str] = frozenset(CODES)


PARTS = {
    "regex": Part((REALISTIC, SHAPES), 20_000),
    "glob": Part((GLOB,), 1_000, "glob"),
    "nothing accepted": Part((SHAPES,), 4_000, accepted=frozenset()),
}
ANSWERS = Choices(gateway="istio-system/gateway", hosts={"<.*>": ("any.example.com",)})


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_every_difference_has_its_reason(part, tmp_path, hydra, issuers):
    addresses = alive.Addresses(issuers, hydra, tmp_path)
    documents = lively(addresses, *part.folders)
    config = addresses.moved(ory.kyma_config("https://idp.example.com/keys", hydra))
    own = [body for _, body in documents if isinstance(body, dict) and kinds.is_settings(body)]
    if own:
        config = {name: own[0][name] for name in config}
    world = reading.read(documents, None if own else kinds.settings("config.yaml", config))
    made = convert.convert(world, replace(ANSWERS, issuers=addresses.known, accepted=part.accepted))
    given, rules = alive.credentials(issuers, hydra), alive.access_rules(world)
    with ory.oathkeeper(tmp_path / "oathkeeper", rules, config, part.strategy) as running:
        matter = Matter(world, loaded(made, tmp_path), made.findings, given)
        tally = asyncio.run(proof.prove(matter, Wanted(running.url, part.requests)))
    assert tally.is_good, "\n".join(proof.table(tally))
    assert tally.asked >= part.requests
    assert tally.allowed > tally.asked / 20
