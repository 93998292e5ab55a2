"""The real Helm, and the values that matter: each combination is rendered, looked at, and installed."""

import configparser
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from authz.local import programs

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "authz"
RELEASE, NAMESPACE = "authz", "authz-system"

Values = Mapping[str, Any]
Document = dict[str, Any]

LOGIN = {
    "enabled": True,
    "provider": "keycloak-oidc",
    "issuer": "https://keycloak.example.com/realms/shop",
    "clientId": "oauth2-proxy",
    "clientSecret": {"name": "login", "key": "client-secret"},
}
_PEOPLE = {
    "authorizers": [
        {
            "name": "people",
            "accept": [
                {"jwt": {"issuer": "https://idp.example.com", "audiences": ["shop"]}},
                {
                    "introspection": {
                        "issuer": "https://idp.example.com",
                        "clientId": "authz",
                        "clientSecretFile": "/etc/authz/secrets/idp/client-secret",
                    }
                },
                {
                    "session": {
                        "oauth2Proxy": "http://authz-oauth2-proxy.authz-system:4180",
                        "cookieName": "__Host-session",
                    }
                },
            ],
            "identityToken": {"audience": "shop"},
        }
    ],
    "identityTokens": {
        "keys": ["/etc/authz/secrets/signing"],
        "issuer": "https://authz.example.com",
        "listen": "0.0.0.0:9194",
    },
    "istio": {
        "provider": "guard",
        "gatewaySelector": {"app": "edge"},
        "gatewayPrincipal": "example.org/ns/edge/sa/edge",
    },
    "listen": {"grpc": "0.0.0.0:7000"},
    "workers": 4,
}
_SCRAPED = {
    "enabled": True,
    "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboard": {"enabled": True},
}
_ADMINS = {"enabled": True, "allowedGroups": ["admins"]}
UIS = {
    "kiali": _ADMINS | {"host": "kiali.example.com"},
    "grafana": _ADMINS | {"host": "grafana.example.com", "adminGroups": ["admins"]},
    "jaeger": _ADMINS | {"host": "jaeger.example.com"},
    "prometheus": {"enabled": True, "host": "prometheus.example.com", "allowedEmails": ["a@example.com"]},
}
SIGNING = {"keys": ["/etc/authz/secrets/signing"], "issuer": "https://authz.example.com"}

COMBINATIONS: Mapping[str, Values] = {
    "default": {},
    "no sidecars": {"sidecar": False, "oauth2Proxy": LOGIN},
    "own TLS": {
        "sidecar": False,
        "destinationRule": {"tls": {"mode": "SIMPLE", "credentialName": "authz-ca"}},
        "config": {
            "listen": {
                "tls": {
                    "certFile": "/etc/authz/secrets/tls/tls.crt",
                    "keyFile": "/etc/authz/secrets/tls/tls.key",
                }
            }
        },
        "secrets": ["tls"],
    },
    "only the authorizer, rules in files": {
        "controller": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "destinationRule": {"enabled": False},
        "config": {"policy": {"files": ["/etc/authz/secrets/rules"]}},
        "secrets": ["rules"],
        "image": {"digest": "sha256:" + "0" * 64, "pullSecrets": ["registry"]},
    },
    "everything": {
        "config": _PEOPLE,
        "secrets": ["idp", "signing"],
        "authorizer": {
            "autoscaling": {"enabled": True, "inFlight": 50},
            "nodeSelector": {"pool": "edge"},
            "tolerations": [{"key": "edge", "operator": "Exists"}],
        },
        "controller": {"nodeSelector": {"pool": "edge"}, "tolerations": [{"operator": "Exists"}]},
        "networkPolicy": {"callers": [{"namespaceSelector": {}, "podSelector": {}}]},
        "envoyFilter": {"enabled": True},
        "metrics": _SCRAPED,
        "oauth2Proxy": LOGIN | {"redis": {"enabled": True}},
    },
    "a Redis that is there": {
        "oauth2Proxy": LOGIN
        | {"redis": {"enabled": True, "url": {"name": "redis"}}, "cookieSecret": {"name": "cookie"}}
    },
    "dashboards": {
        "oauth2Proxy": LOGIN,
        "uis": UIS,
        "config": {"identityTokens": SIGNING | {"listen": "0.0.0.0:9194"}},
        "secrets": ["signing"],
    },
    "Entra ID": {"oauth2Proxy": LOGIN | {"provider": "entra-id", "groupsClaim": "roles"}},
    "Google": {"oauth2Proxy": LOGIN | {"provider": "google", "issuer": ""}},
    "GitHub": {
        "oauth2Proxy": LOGIN | {"provider": "github", "issuer": "", "extraArgs": {"github-org": "example"}}
    },
    "OpenID Connect": {
        "oauth2Proxy": LOGIN | {"provider": "oidc", "extraArgs": {"allowed-group": ["a", "b"]}}
    },
}


class Refused(Exception):
    """What Helm says where it does not do as it is told."""


def run(*arguments: str | Path, values: Values | None = None, kubeconfig: Path | None = None) -> str:
    """What it prints. Raises Refused."""
    environment = os.environ | {"KUBECONFIG": str(kubeconfig or "/dev/null")}
    given = ["--values", "-"] if values is not None else []
    ran = subprocess.run(
        [programs.get("helm"), *arguments, *given],
        input=yaml.safe_dump(dict(values or {})),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise Refused(ran.stderr + ran.stdout)
    return ran.stdout


def rendered(values: Values, release: str = RELEASE, namespace: str = NAMESPACE) -> list[Document]:
    """Every object of a release. Raises Refused."""
    text = run("template", release, CHART, "--namespace", namespace, values=values)
    return [document for document in yaml.safe_load_all(text) if document]


def notes(values: Values) -> str:
    """What is said after an install."""
    options = ("--namespace", NAMESPACE, "--dry-run=client")
    return run("install", RELEASE, CHART, *options, values=values)


def grafana_ini(values: Values) -> configparser.ConfigParser:
    """What the notes tell to write."""
    lines = notes(values).partition("grafana.ini:\n\n")[2].partition("\n\n")[0].splitlines()
    read = configparser.ConfigParser(interpolation=None)
    read.read_string("\n".join(line.strip() for line in lines))
    return read


def one(documents: list[Document], kind: str, name: str) -> Document:
    """The only one of that kind and name."""
    (found,) = [each for each in documents if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found
