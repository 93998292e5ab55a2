"""Where the API server is and how we prove who we are: in a pod, or by a kubeconfig file.

Programs that make credentials (`exec`) are not run: give the file a token or a certificate.
"""

import base64
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from authz import documents

_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Unusable(OSError):
    """Says in one line why there is no way to the API server."""


@dataclass(frozen=True, slots=True)
class Access:
    """`token_file` is read again and again, for the token of a pod is replaced every hour."""

    server: str
    tls: ssl.SSLContext | None
    token: str = ""
    token_file: Path | None = None
    namespace: str = "default"

    def __repr__(self) -> str:
        return f"Access({self.server})"

    def headers(self) -> dict[str, str]:
        """Of each request. Raises OSError if the token can not be read."""
        token = self.token_file.read_text().strip() if self.token_file else self.token
        return {"authorization": f"Bearer {token}"} if token else {}


def find(file: Path | None = None) -> Access:
    """The file, else the one that KUBECONFIG names, else what a pod is given. Raises Unusable."""
    named = file or Path(os.environ.get("KUBECONFIG", ""))
    if named != Path():
        return read(named)
    if not (_POD / "token").exists():
        raise Unusable("there is no kubeconfig, and this is not a pod of a cluster")
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "")
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        tls=ssl.create_default_context(cafile=str(_POD / "ca.crt")),
        token_file=_POD / "token",
        namespace=(_POD / "namespace").read_text().strip(),
    )


def read(file: Path) -> Access:
    """The current context of a kubeconfig file. Raises Unusable."""
    try:
        found = documents.read(file.read_text(encoding="utf-8"))
        config = found[0]
        context = _named(config, "contexts", "context", config["current-context"])
        cluster = _named(config, "clusters", "cluster", context["cluster"])
        user = _named(config, "users", "user", context.get("user", "")) if context.get("user") else {}
        return _access(file.parent, cluster, user, context)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise Unusable(f"{file}: can not be used: {reason}") from error


def _access(folder: Path, cluster: Mapping[str, Any], user: Mapping[str, Any], context: Any) -> Access:
    if "exec" in user or "auth-provider" in user:
        raise ValueError("credentials made by a program are not supported, only tokens and certificates")
    server = str(cluster["server"]).rstrip("/")
    token_file = user.get("tokenFile")
    return Access(
        server=server,
        tls=_tls(folder, cluster, user) if server.startswith("https:") else None,
        token=user.get("token", ""),
        token_file=folder / token_file if token_file else None,
        namespace=context.get("namespace", "default"),
    )


def _tls(folder: Path, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    authority = _pem(folder, cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        raise ValueError("insecure-skip-tls-verify is not supported: give it a certificate-authority")
    certificate, key = _pem(folder, user, "client-certificate"), _pem(folder, user, "client-key")
    if certificate and key:
        _load(context, certificate, key)
    return context


def _load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """OpenSSL takes files only: one in memory, which nobody else can open."""
    with os.fdopen(os.memfd_create("client"), "wb") as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")


def _pem(folder: Path, section: Mapping[str, Any], name: str) -> bytes | None:
    if data := section.get(f"{name}-data"):
        return base64.b64decode(data)
    return (folder / section[name]).read_bytes() if name in section else None


def _named(config: Mapping[str, Any], group: str, kind: str, name: str) -> Mapping[str, Any]:
    for entry in config[group]:
        if entry["name"] == name:
            found: Mapping[str, Any] = entry[kind]
            return found
    raise ValueError(f"it has no {kind} {name}")
