"""How etcd and the API server are started: their command lines, for a cluster of one on loopback.

Both keep what they have to in a folder. Who may do what is RBAC's, and the tokens are in a file.
"""

from collections.abc import Sequence
from pathlib import Path

from authz.local.ports import LOOPBACK


def etcd(folder: Path, ports: Sequence[int]) -> list[str]:
    """`ports` are its clients' and its peers'."""
    clients, peers = (f"http://{LOOPBACK}:{port}" for port in ports)
    return [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def kube_apiserver(folder: Path, port: int, etcd_url: str) -> list[str]:
    """Without the admission of ServiceAccounts: nobody would make those that it asks for."""
    return [
        f"--etcd-servers={etcd_url}",
        f"--secure-port={port}",
        f"--bind-address={LOOPBACK}",
        f"--cert-dir={folder / 'certs'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder / 'sa.pub'}",
        f"--service-account-signing-key-file={folder / 'sa.key'}",
        "--service-cluster-ip-range=10.0.0.0/16",
        "--authorization-mode=RBAC",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--disable-admission-plugins=ServiceAccount",
        "--shutdown-delay-duration=0s",
    ]
