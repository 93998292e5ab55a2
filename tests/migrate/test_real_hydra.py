"""What was converted, against the real Hydra that the old rules spoke to."""

from time import time

import pytest
import yaml

from authz import config as settings
from authz import writing
from authz.check import check
from authz.core.memo import Memo
from authz.core.reason import Reason
from authz.core.request import Request
from authz.migrate.conversion.convert import convert
from authz.migrate.conversion.pipeline import learning
from authz.migrate.old import reading
from authz.server import ruleset
from authz.server.files import Document, Read
from authz.sources import Sources
from authz.sources.http import Client
from tests.migrate import ory, worlds

pytestmark = pytest.mark.slow

RULE = """
apiVersion: gateway.kyma-project.io/v1beta1
kind: APIRule
metadata: {{name: notes, namespace: shop}}
spec:
  host: notes.example.com
  gateway: kyma-system/kyma-gateway
  service: {{name: notes, port: 80}}
  rules:
  - path: /.*
    methods: [GET]
    accessStrategies:
    - handler: oauth2_introspection
      config:
        introspection_url: {introspection}
        trusted_issuers: ["{issuer}"]
        required_scope: ["notes:read"]
    mutators: [{{handler: header, config: {{headers: {{X-Client: "{{{{ .Extra.client_id }}}}"}}}}}}]
"""


async def test_an_issuer_is_found_next_to_its_keys(hydra):
    assert await learning.ask([hydra.jwks_url]) == {hydra.jwks_url: hydra.issuer}


async def test_an_issuer_is_told_by_a_token(hydra):
    hydra.register(("learner", "learner-secret"), "notes:read", ["notes"], strategy="jwt")
    token = hydra.token(client=("learner", "learner-secret"))
    assert await learning.ask([hydra.jwks_url], [token]) == {hydra.jwks_url: hydra.issuer}


async def test_hydras_opaque_tokens_pass_by_what_was_made_of_the_old_rule(hydra, tmp_path):
    text = RULE.format(introspection=hydra.introspection, issuer=hydra.issuer)
    made = convert(reading.read([("old.yaml", yaml.safe_load(text))]))
    assert not made.open
    (tmp_path / "secret").write_text("any, for Hydra's admin port asks for none")
    written = writing.write([made.config]).replace(made.secrets[0].path, str(tmp_path / "secret"))
    bodies = [*made.apirules, *worlds.around(made.apirules)]
    loaded = ruleset.load(Read(tuple(Document("f", body) for body in bodies)), settings.parse(written))
    sources = Sources(Client(), lambda: 0.0)

    async def outcome(token: str):
        headers = {"authorization": f"Bearer {token}"}
        sent = Request("GET", "notes.example.com", "/x", headers=headers)
        return await check(sent, loaded.policy, sources, Memo(1_000), time())

    good, lacking = await outcome(hydra.token()), await outcome(hydra.token(scope="notes:write"))
    await sources.close()
    assert good.reason is Reason.AUTHORIZED
    assert good.headers == {"x-client": ory.HYDRA_CLIENT[0]}
    assert lacking.reason is Reason.SCOPE_MISSING
