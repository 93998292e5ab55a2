"""Where the API server is and how we prove who we are: in a pod, or by a kubeconfig file."""

import base64
import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from authz import documents
from authz.controller import exec_credential
from authz.controller.exec_credential import Program

_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_Sections = Mapping[str, Any]
_Files = Sequence[tuple[Path, _Sections]]  # each with its folder; the first goes before the others

# What would be somebody else's rights, or another way, if it were passed over.
_UNSUPPORTED = {
    "auth-provider": " (nor by kubectl, since 1.26): use exec",
    "username": " (nor by any API server, since 1.19): use a token, a certificate or exec",
    "as": ": name a user who has these rights",
    "as-groups": ": name a user who has these rights",
    "as-uid": ": name a user who has these rights",
    "proxy-url": ": the API server is asked directly",
    "tls-server-name": ": the certificate has to be of the server's address",
}


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


@dataclass(frozen=True, slots=True)
class _Entry:
    """What stands below one name, and the folder that its paths are relative to."""

    folder: Path
    said: Mapping[str, Any]


def find(file: Path | None = None) -> Access:
    """The file, else those that KUBECONFIG names, else what a pod is given, else ~/.kube/config.

    Raises Unusable.
    """
    if file:
        return read(file)
    if named := [Path(each) for each in os.environ.get("KUBECONFIG", "").split(os.pathsep) if each]:
        return read(*named)
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


def read(*files: Path) -> Access:
    """The current context of kubeconfig files, merged as kubectl does it. Raises Unusable.

    Of entries with one name the first counts, whole. A file that is not there is passed over if another is.
    """
    there = [file for file in files if file.exists()] or files[:1]
    merged = [(file.parent, _sections(file)) for file in there]
    with _told_of(os.pathsep.join(map(str, there))):
        context = _named(merged, "context", _current(merged)).said
        cluster = _named(merged, "cluster", context["cluster"])
        user = _named(merged, "user", context["user"]) if context.get("user") else _Entry(Path(), {})
        return _access(cluster, user, context.get("namespace", "default"))


def _sections(file: Path) -> _Sections:
    with _told_of(str(file)):
        found = documents.read(file.read_text(encoding="utf-8"))
        sections = found[0] if found and found[0] is not None else {}
        if not isinstance(sections, dict):
            raise TypeError("it is not a mapping")
        return sections


@contextmanager
def _told_of(file: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise Unusable(f"{file}: can not be used: {reason}") from error


def _current(merged: _Files) -> str:
    for _, sections in merged:
        if sections.get("current-context"):
            return str(sections["current-context"])
    raise KeyError("current-context")


def _named(merged: _Files, kind: str, name: str) -> _Entry:
    for folder, sections in merged:
        for entry in sections.get(f"{kind}s") or ():
            if entry["name"] == name:
                return _Entry(folder, entry[kind])
    raise ValueError(f"it has no {kind} {name}")


def _access(cluster: _Entry, user: _Entry, namespace: str) -> Access:
    for name in [*cluster.said, *user.said]:
        if name in _UNSUPPORTED:
            raise ValueError(f"{name} is not supported{_UNSUPPORTED[name]}")
    server = str(cluster.said["server"]).rstrip("/")
    token_file = user.said.get("tokenFile")
    return Access(
        server=server,
        tls=_tls(cluster, user) if server.startswith("https:") else None,
        token=user.said.get("token", ""),
        token_file=user.folder / token_file if token_file else None,
        program=exec_credential.parse(user.folder, user.said["exec"]) if "exec" in user.said else None,
        namespace=namespace,
    )


def _tls(cluster: _Entry, user: _Entry) -> ssl.SSLContext:
    authority = _pem(cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.said.get("insecure-skip-tls-verify"):
        raise ValueError("insecure-skip-tls-verify is not supported: give it a certificate-authority")
    certificate, key = _pem(user, "client-certificate"), _pem(user, "client-key")
    if certificate and key:
        _load(context, certificate, key)
    return context


def _load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """OpenSSL takes files only: one in memory, which nobody else can open."""
    with os.fdopen(os.memfd_create("client"), "wb") as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")


def _pem(entry: _Entry, name: str) -> bytes | None:
    if data := entry.said.get(f"{name}-data"):
        return base64.b64decode(data)
    return (entry.folder / entry.said[name]).read_bytes() if name in entry.said else None
