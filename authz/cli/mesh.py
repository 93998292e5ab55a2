"""`authz config mesh`: how Istio is told about the authorizer, and whether it has been, safely."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from authz.cli import options

if TYPE_CHECKING:
    from authz.istio.registration import Registration

_FORMATS = ["meshconfig", "helm", "istiooperator", "kyma"]
_CLUSTER = "the cluster"  # what `--check` reads without a value


@click.command()
@click.option("--config", "config_file", type=options.FILE, help="The authorizer's configuration.")
@click.option("--service", help="The authorizer's Service, in full; else that of a release called authz.")
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default="meshconfig",
    show_default=True,
    help="For ConfigMap istio-system/istio, values of the chart istiod, `istioctl install` or Kyma.",
)
@click.option(
    "--check",
    "source",
    is_flag=False,
    flag_value=_CLUSTER,
    help="Look at a file, - for standard input, or without either kubectl's cluster.",
)
def mesh(config_file: Path | None, service: str | None, form: str, source: str | None) -> None:
    """Print the entry of Istio's MeshConfig for the authorizer, or check the one that is there.

    \b
    authz config mesh --config authz.yaml
    authz config mesh --format helm > mesh.yaml    # values for the chart istiod
    authz config mesh --check
    kubectl get cm,svc,authorizationpolicies -A -o yaml | authz config mesh --check -
    """
    from authz import writing
    from authz.istio import registration

    entry = _registration(config_file, service)
    if source is None:
        sys.stdout.write(writing.write(registration.FORMS[form](entry)))
    else:
        _check(source, entry)


def _registration(config_file: Path | None, service: str | None) -> Registration:
    from authz import config as settings
    from authz.istio import registration

    try:
        found = settings.read(config_file) if config_file else settings.Config()
    except settings.Invalid as invalid:
        options.fail_on(f"{config_file}: {problem}" for problem in invalid.problems)
        raise
    port = found.listen.grpc.rpartition(":")[2]
    if not port.isdecimal():
        options.fail_on([f"{config_file}: listen.grpc: Istio can not lead to a unix socket"])
    service = service or registration.SERVICE
    return registration.Registration(found.istio.provider, service, int(port), found.istio.mesh_config)


def _check(source: str, entry: Registration) -> None:
    from authz.istio import registered

    documents, unread = _documents(source, entry.mesh_config)
    found = registered.check(documents, entry)
    seen = found.problems if documents or not unread else ()  # of nothing, nothing can be said
    options.fail_on([*unread, *(f"{source}: {problem}" for problem in seen)])
    unseen = f"; not looked at, for there were none: {', '.join(found.unseen)}" if found.unseen else ""
    click.echo(f"{source}: extension provider {entry.provider}: no mistakes{unseen}")


def _documents(source: str, mesh_config: str) -> tuple[list[dict[str, Any]], list[str]]:
    from authz import documents

    if source == _CLUSTER:
        return _of_cluster(mesh_config)
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        found = documents.read(text)
    except (OSError, UnicodeDecodeError, documents.Malformed) as error:
        return [], [f"{source}: can not be read: {error}"]
    items = [item for body in found for item in _items(body)]
    return [item for item in items if isinstance(item, dict)], []


def _items(body: Any) -> list[Any]:
    """What kubectl prints of several objects is one."""
    is_list = isinstance(body, dict) and str(body.get("kind")).endswith("List")
    return body.get("items") or [] if is_list else [body]


def _of_cluster(mesh_config: str) -> tuple[list[dict[str, Any]], list[str]]:
    from authz.controller import kubeconfig, snapshot

    try:
        access = kubeconfig.find()
    except kubeconfig.Unusable as unusable:
        return [], [f"{_CLUSTER}: {unusable}"]
    found, problems = asyncio.run(snapshot.read(access, snapshot.of_the_mesh(mesh_config)))
    return found, [f"{_CLUSTER}: {problem}" for problem in problems]
