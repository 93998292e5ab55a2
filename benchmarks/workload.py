"""What is asked: the APIRules of N hosts, and requests to them in the form each load generator reads.

One request is a browser's: 1 kB as a CheckRequest, with an RS256 token of the local issuer.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format, wrappers_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from authz.server import ext_authz_pb2 as pb
from authz.server import service
from tests import idp

PATH = "/orders/7"
HOSTS_PER_RULE = 50  # an APIRule may name 64

_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@dataclass(frozen=True, slots=True)
class Requests:
    """The same requests three times: for ghz, for h2load (the first one only) and for wrk."""

    messages: Path
    body: Path
    lines: Path
    count: int


def hosts(count: int) -> list[str]:
    """Their names."""
    return [f"shop-{number}.example.com" for number in range(count)]


def configuration(folder: Path, transport: str, port: int, keys: str, count: int) -> Path:
    """A configuration file for `authz serve` with `count` hosts, three rules each."""
    folder.mkdir()
    names = hosts(count)
    rules = [_rule(start, names[start : start + HOSTS_PER_RULE]) for start in range(0, count, HOSTS_PER_RULE)]
    (folder / "rules.yaml").write_text(yaml.safe_dump_all(rules))
    file = folder / "authz.yaml"
    file.write_text(yaml.safe_dump(_settings(transport, port, keys)))
    return file


def write(folder: Path, name: str, names: Sequence[str], tokens: Sequence[str]) -> Requests:
    """As many requests as there are hosts or tokens, whichever are more; the fewer are repeated."""
    count = max(len(names), len(tokens))
    pairs = list(islice(zip(cycle(names), cycle(tokens), strict=False), count))
    messages = [_message(host, token) for host, token in pairs]
    made = Requests(folder / f"{name}.json", folder / f"{name}.grpc", folder / f"{name}.txt", count)
    made.messages.write_text(json.dumps(messages))
    made.body.write_bytes(_framed(messages[0]))
    made.lines.write_text("".join(f"{host} {token}\n" for host, token in pairs))
    return made


def descriptors(file: Path) -> None:
    """Our messages under Envoy's package, with its service, as ghz wants to read them."""
    ours = FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(ours)
    before, ours.package = ours.package, service.NAME.rpartition(".")[0]
    for message in ours.message_type:
        _rename(message, f".{before}.", f".{ours.package}.")
    method = ours.service.add(name=service.NAME.rpartition(".")[2]).method.add(name="Check")
    method.input_type, method.output_type = (
        f".{ours.package}.Check{each}" for each in ("Request", "Response")
    )
    wrappers = FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    file.write_bytes(FileDescriptorSet(file=[wrappers, ours]).SerializeToString())


def _rename(message: DescriptorProto, before: str, after: str) -> None:
    for field in message.field:
        field.type_name = field.type_name.replace(before, after)
    for inner in message.nested_type:
        _rename(inner, before, after)


def _framed(message: dict[str, Any]) -> bytes:
    raw = json_format.ParseDict(message, pb.CheckRequest()).SerializeToString()
    return b"\0" + len(raw).to_bytes(4, "big") + raw


def _message(host: str, token: str) -> dict[str, Any]:
    headers = {
        ":authority": host,
        ":method": "GET",
        ":path": PATH,
        ":scheme": "https",
        "accept": "application/json",
        "authorization": f"Bearer {token}",
        "user-agent": _AGENT,
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-proto": "https",
        "x-request-id": "8f14e45f-ceea-467f-a0e6-2f1c0a5b7d11",
    }
    http = {"method": "GET", "path": PATH, "host": host, "headers": headers}
    return {"attributes": {"request": {"http": http}}}


def _rule(number: int, names: Sequence[str]) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.kyma-project.io/v2",
        "kind": "APIRule",
        "metadata": {"name": f"shop-{number}", "namespace": "default"},
        "spec": {
            "hosts": list(names),
            "gateway": "istio-system/gateway",
            "service": {"name": "shop", "port": 80},
            "rules": list(_paths()),
        },
    }


def _paths() -> Iterable[dict[str, Any]]:
    yield {"path": "/health", "methods": ["GET"], "noAuth": True}
    yield {"path": "/orders/{*}", "methods": ["GET"], "extAuth": {"authorizers": ["bench"]}}
    yield {"path": "/*", "methods": ["GET", "POST"], "extAuth": {"authorizers": ["bench"]}}


def _settings(transport: str, port: int, keys: str) -> dict[str, Any]:
    jwt = {"issuer": idp.ISSUER, "audiences": [idp.AUDIENCE], "jwksUri": keys}
    return {
        "listen": {"grpc": f"127.0.0.1:{port}", "admin": "127.0.0.1:0"},
        "transport": transport,
        "policy": {"files": ["rules.yaml"]},
        "authorizers": [{"name": "bench", "accept": [{"jwt": jwt}]}],
    }
