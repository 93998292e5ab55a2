"""What the chart tells oauth2-proxy is what the real one takes, for every provider."""

import base64
import subprocess
import time
from contextlib import contextmanager, suppress

import httpx
import pytest
import yaml

from authz.local import programs
from tests.charts.helm import COMBINATIONS, LOGIN, ROOT, one, rendered
from tests.server.transports import free_address

pytestmark = pytest.mark.slow

WITH_LOGIN = [name for name, values in COMBINATIONS.items() if "oauth2Proxy" in values]
OIDC = ("oidc", "keycloak-oidc", "entra-id")
# Instead of asking an issuer, which is not there.
KNOWN = [
    "--skip-oidc-discovery=true",
    "--login-url=https://idp.example.com/login",
    "--redeem-url=https://idp.example.com/token",
    "--oidc-jwks-url=https://idp.example.com/keys",
]


def arguments(documents):
    spec = one(documents, "Deployment", "authz-oauth2-proxy")["spec"]["template"]["spec"]
    return spec["containers"][0]["args"]


@pytest.mark.parametrize("name", WITH_LOGIN)
def test_the_real_oauth2_proxy_takes_its_arguments(name, all_rendered, tmp_path):
    documents = all_rendered[name]
    made = [each.replace("/etc/oauth2-proxy", str(tmp_path)) for each in arguments(documents)]
    for folder in ("client", "cookie"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}-secret").write_text("0" * 32)
    provider = next(each for each in made if each.startswith("--provider=")).partition("=")[2]
    made += KNOWN if provider in OIDC else []
    made = [each for each in made if each != "--session-store-type=redis"]  # it would ask Redis
    ran = subprocess.run(
        [programs.get("oauth2-proxy"), "--config-test", *made], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr + ran.stdout


def hardened():
    """The arguments that docs/oauth2.md wants for every provider."""
    text = (ROOT / "docs" / "oauth2.md").read_text()
    block = text.partition("## oauth2-proxy, hardened")[2].partition("```yaml\n")[2].partition("```")[0]
    return dict(each.removeprefix("--").split("=", 1) for each in yaml.safe_load(block)["args"])


PLACES = {"cookie-secret-file", "client-secret-file", "trusted-proxy-ip", "custom-templates-dir"}


@pytest.mark.parametrize("name", WITH_LOGIN)
def test_it_is_hardened_as_the_documentation_wants_it(name, all_rendered):
    made = dict(each.removeprefix("--").split("=", 1) for each in arguments(all_rendered[name]))
    wanted = {key: value for key, value in hardened().items() if not key.startswith("redis")}
    if "oidc" not in made["provider"] and made["provider"] != "entra-id":
        wanted = {key: value for key, value in wanted.items() if "nonce" not in key and "code-" not in key}
    if "redis" not in made.get("session-store-type", ""):
        del wanted["session-store-type"]
    assert made.keys() >= wanted.keys() - {"custom-templates-dir"}
    assert {key: made[key] for key in wanted.keys() - PLACES} == {
        key: value for key, value in wanted.items() if key not in PLACES
    }


def test_nothing_is_let_past_the_login():
    made = arguments(rendered({"oauth2Proxy": LOGIN}))
    assert not [each for each in made if each.startswith(("--skip-auth", "--trusted-ip", "--ping-user"))]


def test_redis_is_found_and_asked_for_its_password(all_rendered):
    documents = all_rendered["everything"]
    spec = one(documents, "Deployment", "authz-oauth2-proxy")["spec"]["template"]["spec"]
    environment = {each["name"]: each for each in spec["containers"][0]["env"]}
    service = one(documents, "Service", "authz-redis")
    port = service["spec"]["ports"][0]["port"]
    assert environment["OAUTH2_PROXY_REDIS_CONNECTION_URL"]["value"] == f"redis://authz-redis:{port}"
    named = environment["OAUTH2_PROXY_REDIS_PASSWORD"]["valueFrom"]["secretKeyRef"]
    assert named["key"] in one(documents, "Secret", named["name"])["data"]


@contextmanager
def redis(documents, folder):
    """The real one, with the chart's arguments and file, on a port of its own."""
    (container,) = one(documents, "Deployment", "authz-redis")["spec"]["template"]["spec"]["containers"]
    made = one(documents, "Secret", "authz-redis")["data"]
    (folder / "redis.conf").write_bytes(base64.b64decode(made["redis.conf"]))
    port = free_address().rpartition(":")[2]
    arguments = [each.replace("/etc/redis", str(folder)) for each in container["args"]]
    command = [programs.get(container["command"][0]), *arguments, "--port", port, "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        yield port, base64.b64decode(made["password"]).decode()
    finally:
        process.terminate()
        process.wait()


def is_ready(port, password, folder):
    """Whether oauth2-proxy calls itself ready, which takes Redis."""
    address = free_address()
    for name in ("client", "cookie"):
        (folder / name).write_text("0" * 32)
    options = {
        "http-address": address,
        "upstream": "static://202",
        "email-domain": "*",
        "provider": "github",
        "client-id": "x",
        "client-secret-file": folder / "client",
        "cookie-secret-file": folder / "cookie",
        "session-store-type": "redis",
    }
    environment = {
        "OAUTH2_PROXY_REDIS_CONNECTION_URL": f"redis://127.0.0.1:{port}",
        "OAUTH2_PROXY_REDIS_PASSWORD": password,
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    process = subprocess.Popen(
        [programs.get("oauth2-proxy"), *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            with suppress(httpx.TransportError):
                return httpx.get(f"http://{address}/ready").status_code == 200
            if process.poll() is not None:
                return False
            time.sleep(0.05)
        return False
    finally:
        process.terminate()
        process.wait()


def test_the_real_redis_takes_the_charts_file_and_admits_oauth2_proxy_alone(all_rendered, tmp_path):
    with redis(all_rendered["everything"], tmp_path) as (port, password):
        assert is_ready(port, password, tmp_path)
        assert not is_ready(port, "another", tmp_path)


def test_a_list_is_given_as_often_as_it_has_members(all_rendered):
    made = arguments(all_rendered["OpenID Connect"])
    assert [each for each in made if "allowed-group" in each] == ["--allowed-group=a", "--allowed-group=b"]
