"""The image, as far as it can be known without a daemon: what it says, and what its build makes."""

import json
import re
import subprocess
import tomllib

import pytest
import yaml

from authz import __version__
from tests.charts.dockerfile import ROOT, Build, stages
from tests.charts.helm import one, rendered

PINNED = re.compile(r"^([a-z0-9-]+)==([^ ]+)")


def pins(name):
    """The versions of a file; every one in image/ has a hash."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    if name.startswith("image/"):
        assert all("--hash=sha256:" in line for line in lines)
    return {found[1]: found[2] for line in lines if (found := PINNED.match(line))}


def test_the_last_stage_only_copies():
    """No shell runs in it: nothing is installed, and nothing of the build is left."""
    built, last = stages()
    assert last.of("RUN") == []
    assert last.of("COPY") == ["--from=build /opt/authz /opt/authz"]
    assert built.base == last.base == "${PYTHON}"


def test_nothing_is_installed_from_a_distribution_or_without_a_hash():
    for stage in stages():
        for command in stage.of("RUN"):
            assert "apt" not in command.split()
            if " install " in command and "/opt/wheels" not in command:
                assert "--require-hashes" in command
                assert "--only-binary :all:" in command


def test_nothing_reaches_the_build_but_what_is_copied():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    admitted = {line[1:] for line in lines if line.startswith("!")}
    copied = {name.rstrip("/") for text in stages()[0].of("COPY") for name in text.split()[:-1]}
    assert lines[1] == "*"
    assert admitted == copied


@pytest.mark.slow
def test_it_runs_as_nobody_in_particular_and_says_how_it_is():
    last = stages()[-1]
    user = last.of("USER")
    pod = one_pod()
    assert user == [f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"]
    assert last.of("HEALTHCHECK") == ['--start-period=30s CMD ["authz", "health"]']


def one_pod():
    return one(rendered({}), "Deployment", "authz")["spec"]["template"]["spec"]


@pytest.mark.slow
def test_both_programs_are_started_as_the_image_has_it():
    last = stages()[-1]
    assert json.loads(last.of("ENTRYPOINT")[0]) == ["authz"]
    assert json.loads(last.of("CMD")[0]) == one_pod()["containers"][0]["args"]
    (controller,) = one(rendered({}), "Deployment", "authz-controller")["spec"]["template"]["spec"][
        "containers"
    ]
    assert controller["args"][0] == "controller"
    assert "command" not in controller


@pytest.mark.parametrize("name", ["image/authz.txt", "image/tools.txt"])
def test_what_is_locked_is_what_is_tested(name):
    tested, locked = pins("constraints.txt"), pins(name)
    assert {key: locked[key] for key in locked.keys() & tested} == {
        key: tested[key] for key in locked.keys() & tested
    }, "run `make lock`"


def test_everything_that_is_needed_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[<>=]", each)[0] for each in project["dependencies"]}
    assert needed <= pins("image/authz.txt").keys()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("image") / "root"
    Build(root).play(stages()[0])
    return root / "opt" / "authz"


def authz(built, *arguments):
    environment = {"PATH": f"{built / 'bin'}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        ["authz", *arguments], env=environment, cwd="/", capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_what_is_built_runs_where_nothing_can_be_written(built):
    subprocess.run(["chmod", "-R", "a-w", str(built)], check=True)
    before = sorted(built.rglob("*"))
    assert authz(built, "--version").stdout == f"authz, version {__version__}\n"
    assert yaml.safe_load(authz(built, "config", "example").stdout)
    for verb in ("serve", "controller"):
        refused = authz(built, verb, "--config", str(ROOT / "pyproject.toml"))
        assert refused.returncode == 1
        assert '"can not start"' in refused.stdout, refused.stderr
    assert "does not answer" in authz(built, "health", "127.0.0.1:1").stderr
    assert sorted(built.rglob("*")) == before


@pytest.mark.slow
def test_the_bill_of_materials_names_everything_that_is_locked(built):
    bill = json.loads((built / "sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    named = {each["name"].lower().replace("_", "-"): each["version"] for each in bill["components"]}
    locked = pins("image/authz.txt")
    assert {name: named.get(name) for name in locked} == locked
    assert bill["metadata"]["component"]["name"] == "istio-authz"


@pytest.mark.slow
def test_no_tool_and_no_compiler_is_left_in_it(built):
    assert not {each.name for each in (built / "bin").iterdir()} & {"pip", "cc", "gcc", "cyclonedx-py"}
    packages = {each.name for each in built.glob("lib/python*/site-packages/*")}
    assert not packages & {"pip", "setuptools", "hatchling", "pytest", "mypy", "envoy"}
    assert not [each for each in built.rglob("*.pyc") if each.stat().st_size == 0]
