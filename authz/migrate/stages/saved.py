"""What stood before a migration began, kept in a Secret beside the APIRule: all that `undo` needs.

Pure. It is written before anything else is, and never written over by what is found later. A ConfigMap would
show the secrets of clients, which old Rules may have in them, to whoever may look.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from authz.controller.kinds import Document, Kind, key

KEPT = Kind("v1", "Secret", "secrets", labels="app.kubernetes.io/managed-by=authz-migrate")
RULES = Kind("oathkeeper.ory.sh/v1alpha1", "Rule", "rules")

KYMAS = ("gateway.kyma-project.io/v1beta1-spec", "gateway.kyma-project.io/original-version")
MANAGED = {"app.kubernetes.io/managed-by": "authz-migrate"}
SAVED_MAX_BYTES = 900 << 10  # Kubernetes takes 1 MiB in a Secret

_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_shadow = re.compile(rf"{_LABEL}\.{_LABEL}:[1-9][0-9]{{0,4}}", re.ASCII).fullmatch
_PORT_MAX = 65_535


class TooLarge(ValueError):
    """It can not be kept, so nothing is begun."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The old APIRule if there was one, VirtualServices of its hosts, its Rules.

    `admits` says that no ALLOW guarded the workload; `shadow` is the Service, `name.namespace:port`, that
    live requests are copied to; `begun` that the Secret is there.
    """

    key: str
    apirule: Document | None = None
    routes: tuple[Document, ...] = ()
    rules: tuple[Document, ...] = ()
    admits: bool = True
    shadow: str = ""
    finished: bool = False
    begun: bool = field(default=False, compare=False)


def secret(kept: Saved, *, finished: bool | None = None, shadow: str | None = None) -> Document:
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
        raise TooLarge(f"what stands is {len(text) >> 10} KiB, and a Secret holds {SAVED_MAX_BYTES >> 10}")
    state = {
        "shadow": kept.shadow if shadow is None else shadow,
        "finished": json.dumps(kept.finished if finished is None else finished),
    }
    metadata = {"name": f"{name}-migration", "namespace": namespace, "labels": dict(MANAGED)}
    data = {name: b64encode(one.encode()).decode() for name, one in ({"before": text} | state).items()}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data}


def read(document: Mapping[str, Any]) -> Saved:
    """Raises ValueError or KeyError if somebody has edited it."""
    metadata = document["metadata"]
    data = {name: b64decode(one, validate=True).decode() for name, one in document["data"].items()}
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


def shown(document: Document) -> Document:
    """Of what is kept the names alone, for a terminal or a log. Raises as `read`."""
    kept = read(document)
    before = [one for one in (kept.apirule, *kept.routes, *kept.rules) if one]
    data = {
        "before": ", ".join(f"{one['kind']} {key(one)}" for one in before),
        "shadow": kept.shadow,
        "finished": json.dumps(kept.finished),
    }
    return {name: document[name] for name in ("apiVersion", "kind", "metadata")} | {"data": data}


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


def kymas(document: Document) -> dict[str, str]:
    """The annotations in which Kyma keeps an old APIRule."""
    return {name: value for name, value in annotations(document).items() if name in KYMAS}


def mirrored(route: Document, shadow: str) -> Document:
    """The same with a copy of each request to the shadow, which answers nobody."""
    http = [
        one | {"mirror": _copy(shadow), "mirrorPercentage": {"value": 100}} if "route" in one else one
        for one in route["spec"].get("http") or ()
    ]
    return route | {"spec": route["spec"] | {"http": http}}


def is_mirrored(route: Document, shadow: str) -> bool:
    """Whoever has changed it since: some of its requests are copied there."""
    return any(one.get("mirror") == _copy(shadow) for one in route["spec"].get("http") or ())


def _copy(shadow: str) -> Document:
    host, _, port = shadow.partition(":")
    return {"host": f"{host}.svc.cluster.local", "port": {"number": int(port)}}
