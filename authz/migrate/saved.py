"""What stood before a migration began, kept in a ConfigMap beside the APIRule: all that `undo` needs.

Pure. It is written before anything else is, and never written over by what is found later.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from authz.controller.kinds import Document, Kind

CONFIG_MAPS = Kind("v1", "ConfigMap", "configmaps", labels="app.kubernetes.io/managed-by=authz-migrate")
RULES = Kind("oathkeeper.ory.sh/v1alpha1", "Rule", "rules")

MANAGED = {"app.kubernetes.io/managed-by": "authz-migrate"}
SAVED_MAX_BYTES = 900 << 10  # etcd takes 1 MiB in a ConfigMap

_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_shadow = re.compile(rf"{_LABEL}\.{_LABEL}:[1-9][0-9]{{0,4}}", re.ASCII).fullmatch
_PORT_MAX = 65_535


class TooLarge(ValueError):
    """It can not be kept, so nothing is begun."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The old APIRule if there was one, VirtualServices of its hosts, its Rules.

    `admits` says that no ALLOW guarded the workload; `shadow` is the Service, `name.namespace:port`, that
    live requests are copied to; `begun` that the ConfigMap is there.
    """

    key: str
    apirule: Document | None = None
    routes: tuple[Document, ...] = ()
    rules: tuple[Document, ...] = ()
    admits: bool = True
    shadow: str = ""
    finished: bool = False
    begun: bool = field(default=False, compare=False)


def config_map(kept: Saved, *, finished: bool | None = None, shadow: str | None = None) -> Document:
    """Raises TooLarge."""
    namespace, _, name = kept.key.partition("/")
    before = {
        "apirule": kept.apirule,
        "virtualServices": list(kept.routes),
        "rules": list(kept.rules),
        "admits": kept.admits,
    }
    text = json.dumps(before, sort_keys=True, separators=(",", ":"))
    if len(text.encode()) > SAVED_MAX_BYTES:
        raise TooLarge(f"what stands is {len(text) >> 10} KiB, and a ConfigMap holds {SAVED_MAX_BYTES >> 10}")
    state = {
        "shadow": kept.shadow if shadow is None else shadow,
        "finished": json.dumps(kept.finished if finished is None else finished),
    }
    metadata = {"name": f"{name}-migration", "namespace": namespace, "labels": dict(MANAGED)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"before": text} | state}


def read(document: Mapping[str, Any]) -> Saved:
    """Raises ValueError or KeyError if somebody has edited it."""
    metadata, data = document["metadata"], document["data"]
    before = json.loads(data["before"])
    return Saved(
        key=f"{metadata['namespace']}/{metadata['name'].removesuffix('-migration')}",
        apirule=before["apirule"],
        routes=tuple(before["virtualServices"]),
        rules=tuple(before["rules"]),
        admits=before["admits"],
        shadow=shadowing(data["shadow"]),
        finished=json.loads(data["finished"]),
        begun=True,
    )


def shadowing(text: str) -> str:
    """A Service, `name.namespace:port`, or "". Raises ValueError."""
    if text and not (_shadow(text) and int(text.rpartition(":")[2]) <= _PORT_MAX):
        raise ValueError(
            f"{text!r} is no NAME.NAMESPACE:PORT of a Service, like authz-shadow.authz-system:8080"
        )
    return text


def plain(document: Document) -> Document:
    """What a person has written of it: the API server's own fields would be refused, or be lies."""
    metadata = document["metadata"]
    names = ("name", "namespace", "labels", "annotations")
    return {
        "apiVersion": document["apiVersion"],
        "kind": document["kind"],
        "metadata": {name: metadata[name] for name in names if metadata.get(name)},
        "spec": document.get("spec") or {},
    }


def annotations(document: Document) -> dict[str, str]:
    """None is none."""
    return dict(document["metadata"].get("annotations") or {})


def mirrored(route: Document, shadow: str) -> Document:
    """The same with a copy of each request to the shadow, which answers nobody."""
    host, _, port = shadow.partition(":")
    copy = {"host": f"{host}.svc.cluster.local", "port": {"number": int(port)}}
    http = [
        one | {"mirror": copy, "mirrorPercentage": {"value": 100}} if "route" in one else one
        for one in route["spec"].get("http") or ()
    ]
    return route | {"spec": route["spec"] | {"http": http}}
