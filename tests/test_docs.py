"""What the documentation shows can be used as it stands, and what it links to is there."""

import re
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from authz import config
from authz.cli import main
from authz.local import programs

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "charts").glob("*/*.md")])
OAUTH2 = (ROOT / "docs" / "oauth2.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", OAUTH2, re.DOTALL)]
SETTINGS = [block for block in BLOCKS if "authorizers" in block]
ARGUMENTS = [block["args"] for block in BLOCKS if "args" in block]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda block: block["authorizers"][0]["name"])
def test_a_configuration_has_no_mistake(settings):
    assert config.parse(yaml.safe_dump(settings)).authorizers


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda args: args[0])
def test_oauth2_proxy_knows_its_arguments(arguments):
    program = programs.get("oauth2-proxy")
    told = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    known = set(re.findall(r"--[a-z0-9-]+", told.stdout + told.stderr))
    assert {argument.partition("=")[0] for argument in arguments} <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def _commands(page):
    """The words of what is typed into a shell that begins with `authz`."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        typed = r"(?:^|\| |\$\(|KUBECONFIG=\S+ )(?:\.venv/bin/)?authz ([^|>)#\n]*)"
        yield from (found.split() for found in re.findall(typed, block.replace("\\\n", " "), re.MULTILINE))


@pytest.mark.parametrize("page", [page for page in PAGES if [*_commands(page)]], ids=lambda page: page.name)
def test_a_command_has_the_verbs_and_options_that_are_shown(page):
    for words in _commands(page):
        command: click.Command = main
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            command = command.commands[words.pop(0)]
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        known |= {"--help", "-h", "--version"}
        shown = {word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)}
        assert shown <= known, words
