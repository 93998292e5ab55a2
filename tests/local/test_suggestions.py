"""A command to try for each rule, which works where it is pasted."""

import pytest

from authz.local import plan, suggestions
from authz.local.ports import Ports
from authz.local.up import SAMPLES

AUTHZ = (".venv/bin/authz",)


@pytest.fixture(scope="module")
def samples():
    return plan.read([SAMPLES])


def test_there_is_a_command_to_try_for_each_rule(samples):
    commands = list(suggestions.curls(samples, Ports(), AUTHZ))
    assert len(commands) == sum(len(rule.spec.rules) for _, rule in samples.loaded.rules)
    assert "curl -i http://shop.localhost:8080/products/" in commands
    assert (
        "curl -i -X POST http://shop.localhost:8080/orders"
        ' -H "Authorization: Bearer $(.venv/bin/authz token --scope orders:write)"'
    ) in commands
    assert (
        "curl -i http://reports.localhost:8080/reports/1"
        ' -H "Authorization: Bearer $(.venv/bin/authz token --scope reports:read --audience shop)"'
    ) in commands


def test_a_command_knows_the_offset(samples):
    assert "--port-offset 10" in "".join(suggestions.curls(samples, Ports().moved(10), AUTHZ, 10))


def test_a_program_in_a_folder_with_a_space_is_quoted(samples):
    [first, *_] = suggestions.curls(samples, Ports(), ("/my tools/authz",))
    assert "$('/my tools/authz' token)" in first
