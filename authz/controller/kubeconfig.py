"""Where the API server is and how we prove who we are: in a pod, or by a kubeconfig file."""

import base64
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from authz import documents
from authz.controller import exec_credential
from authz.controller.exec_credential import Program

_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Unusable(OSError):
    """Says in one line why there is no way to the API server."""


@dataclass(frozen=True, slots=True)
class Access:
    """`token_file` is read again and again, for the token of a pod is replaced every hour.

    `program` makes tokens, and is waited for.
    """

    server: str
    tls: ssl.SSLContext | None
    token: str = ""
    token_file: Path | None = None
    program: Program | None = None
    namespace: str = "default"

    def __repr__(self) -> str:
        return f"Access({self.server})"

    async def headers(self) -> dict[str, str]:
        """Of each request. Raises OSError if the token can not be had."""
        token = await self._token()
        return {"authorization": f"Bearer {token}"} if token else {}

    def refused(self) -> None:
        """The API server did not know us: 401."""
        if self.program:
            self.program.refused()

    async def _token(self) -> str:
        if self.program:
            return await self.program.token()
        return self.token_file.read_text().strip() if self.token_file else self.token


def find(file: Path | None = None) -> Access:
    """The file, else the one that KUBECONFIG names, else what a pod is given, else ~/.kube/config.

    Raises Unusable.
    """
    named = file or Path(os.environ.get("KUBECONFIG", ""))
    if named != Path():
        return read(named)
    if not (_POD / "token").exists():
        return _of_the_user()
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "")
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        tls=ssl.create_default_context(cafile=str(_POD / "ca.crt")),
        token_file=_POD / "token",
        namespace=(_POD / "namespace").read_text().strip(),
    )


def _of_the_user() -> Access:
    try:
        usual = Path.home() / ".kube" / "config"
    except RuntimeError as error:  # neither HOME nor an entry of the user's
        raise Unusable(f"there is no kubeconfig: {error} Set KUBECONFIG.") from error
    if not usual.exists():
        raise Unusable(
            f"there is no kubeconfig: neither KUBECONFIG nor {usual}; nor is this a pod of a cluster"
        )
    return read(usual)


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
    if "auth-provider" in user:
        raise ValueError("auth-provider is not supported (nor by kubectl, since 1.26): use exec")
    server = str(cluster["server"]).rstrip("/")
    token_file = user.get("tokenFile")
    return Access(
        server=server,
        tls=_tls(folder, cluster, user) if server.startswith("https:") else None,
        token=user.get("token", ""),
        token_file=folder / token_file if token_file else None,
        program=exec_credential.parse(folder, user["exec"]) if "exec" in user else None,
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
