"""`authz serve` as a process: from start to SIGTERM."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import hyperframe.frame as hf
import pytest
import yaml

from authz.server import service
from authz.server.h2.frames import PREFACE
from tests.server.h2 import wire
from tests.server.h2.wire import Frames
from tests.server.test_files import apirule
from tests.server.test_service import ask, outcome

pytestmark = pytest.mark.slow

DEADLINE_S = 20.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Running:
    """One authorizer in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.grpc, self.admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.config = folder / "authz.yaml"
        self.rules = folder / "rules.yaml"
        self.log = folder / "log"
        self.configure()
        self.rules.write_text(yaml.safe_dump(apirule()))

    def configure(self, listen: dict[str, Any] | None = None, **settings: Any) -> None:
        listen = {"grpc": self.grpc, "admin": self.admin} | (listen or {})
        base = {"listen": listen, "policy": {"files": ["rules.yaml"]}, "log": {"decisions": "all"}}
        self.config.write_text(yaml.safe_dump(base | settings))

    def start(self) -> None:
        command = [sys.executable, "-m", "authz", "serve", "--config", str(self.config)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def check(self, raw: bytes) -> tuple[int, str]:
        with grpc.insecure_channel(self.grpc) as channel:
            return outcome(channel.unary_unary(service.METHOD)(raw, timeout=5))


@pytest.fixture
def running(tmp_path) -> Iterator[Running]:
    one = Running(tmp_path)
    one.start()
    eventually(lambda: ready(one))
    yield one
    one.process.kill()
    one.process.wait()


def ready(one: Running) -> bool:
    try:
        return httpx.get(f"http://{one.admin}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.05)


def test_it_answers_and_ends_with_0_on_sigterm(running):
    assert running.check(ask("/")) == (200, "")
    assert running.check(ask("/", host="other")) == (403, "HOST_UNKNOWN")
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(DEADLINE_S) == 0
    assert [line["event"] for line in running.lines()][-1] == "draining"


def test_a_changed_rule_is_enforced_and_a_bad_one_is_reported(running):
    running.rules.write_text(yaml.safe_dump(apirule(extAuth={"authorizers": ["nobody"]})))
    eventually(lambda: running.check(ask("/")) == (403, "AUTHORIZER_ELSEWHERE"))
    running.rules.write_text("kind: APIRule\nmetadata: {name: shop, namespace: apps}\n")
    eventually(lambda: any("problem" in line for line in running.lines()))
    assert running.check(ask("/")) == (403, "AUTHORIZER_ELSEWHERE")


def test_a_bad_configuration_keeps_its_last_good_version(running):
    running.config.write_text("foo: 1")
    eventually(lambda: any("problems" in line for line in running.lines()))
    assert running.check(ask("/")) == (200, "")
    running.configure(log={"decisions": "none"}, sources={"ttl": "1m"})
    eventually(lambda: running.lines()[-1]["event"] == "policy loaded")
    assert [line["setting"] for line in running.lines() if "setting" in line] == ["sources"]
    before = len(running.lines())
    assert running.check(ask("/")) == (200, "")
    assert len(running.lines()) == before, "decisions are logged no more"


@pytest.mark.parametrize("taken", ["grpc", "admin"])
def test_a_taken_port_is_named_and_ends_with_1(tmp_path, taken):
    one = Running(tmp_path)
    host, _, port = getattr(one, taken).partition(":")
    with socket.create_server((host, int(port))):
        one.start()
        assert one.process.wait(DEADLINE_S) == 1
    (line,) = one.lines()
    assert f"can not listen on {host}:{port}" in line["problem"]


def test_a_bad_configuration_at_the_start_ends_with_1(tmp_path):
    one = Running(tmp_path)
    one.config.write_text("foo: 1\nlisten: {grpc: x}")
    one.start()
    assert one.process.wait(DEADLINE_S) == 1
    assert [line["problem"].removeprefix(str(one.config)) for line in one.lines()] == [
        ": listen.grpc: an address is HOST:PORT or unix:/path",
        ": foo: unknown setting",
    ]


@contextmanager
def waiting_for_a_source(folder: Path, workers: int = 1) -> Iterator[Running]:
    """An authorizer that has read its rules, and waits two seconds for the keys that they name."""
    one = Running(folder)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        issuer = f"http://127.0.0.1:{silent.getsockname()[1]}"
        slow = [{"name": "slow", "accept": [{"jwt": {"issuer": issuer, "audiences": ["a"]}}]}]
        one.configure(authorizers=slow, sources={"timeout": "2s"}, workers=workers)
        one.rules.write_text(yaml.safe_dump(apirule(extAuth={"authorizers": ["slow"]})))
        one.start()
        eventually(lambda: "policy loaded" in one.log.read_text())
        yield one
        os.kill(one.process.pid, signal.SIGTERM)
        assert one.process.wait(DEADLINE_S) == 0


def test_it_is_not_ready_while_a_source_is_asked_for_the_first_time(tmp_path):
    """The first callers would otherwise have to wait for the keys."""
    with waiting_for_a_source(tmp_path) as one:
        assert httpx.get(f"http://{one.admin}/readyz").status_code == 503
        eventually(lambda: ready(one))
    assert "a source did not answer" in [line["event"] for line in one.lines()]


def test_rules_that_change_during_the_start_are_enforced(tmp_path):
    with waiting_for_a_source(tmp_path) as one:
        one.rules.write_text(yaml.safe_dump(apirule()))
        assert not ready(one)
        eventually(lambda: one.check(ask("/")) == (200, ""))


def test_a_worker_takes_no_connections_before_it_is_ready(tmp_path):
    with waiting_for_a_source(tmp_path, workers=2) as one:  # the others could answer, it could only refuse
        with pytest.raises(grpc.RpcError):
            one.check(ask("/"))
        eventually(lambda: ready(one) and one.check(ask("/"))[0] == 401)


def test_several_workers_share_the_port_and_one_that_is_killed_comes_back(tmp_path):
    one = Running(tmp_path)
    one.configure(workers=2, transport="h2")
    one.start()
    eventually(lambda: one.log.read_text().count('"serving"') == 2)
    assert ready(one)
    for _ in range(20):
        assert one.check(ask("/")) == (200, "")
    counted = httpx.get(f"http://{one.admin}/metrics").text
    assert 'authz_checks_total{reason="PUBLIC",rule="apps/shop/0"} 20.0' in counted
    one.rules.write_text(yaml.safe_dump(apirule(extAuth={"authorizers": ["nobody"]})))
    eventually(lambda: {one.check(ask("/")) for _ in range(20)} == {(403, "AUTHORIZER_ELSEWHERE")})
    victim = children(one.process.pid)[0]
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: one.log.read_text().count('"serving"') == 3)
    assert one.check(ask("/")) == (403, "AUTHORIZER_ELSEWHERE")
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(DEADLINE_S) == 0


@pytest.mark.parametrize(("transport", "workers"), [("h2", 1), ("h2", 2), ("grpcio", 1), ("grpcio", 2)])
def test_a_connection_of_age_is_drained_and_no_call_fails(tmp_path, transport, workers):
    one = Running(tmp_path)
    one.configure({"maxConnectionAge": "1s"}, transport=transport, workers=workers)
    one.start()
    eventually(lambda: ready(one) and one.log.read_text().count('"serving"') == workers)
    with ThreadPoolExecutor() as pool:
        calling = pool.submit(_call_for, one.grpc, 2.5)
        assert _last_ids(one.grpc) == [(1 << 31) - 1, 0], "first that there will be an end, then where"
        assert calling.result() > 100
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(DEADLINE_S) == 0


def _call_for(address: str, seconds: float) -> int:
    """Calls one after the other, each of them answered; how many."""
    until, number = time.monotonic() + seconds, 0
    with grpc.insecure_channel(address) as channel:
        check = channel.unary_unary(service.METHOD)
        while time.monotonic() < until:
            assert outcome(check(ask("/"), timeout=5)) == (200, "")
            number += 1
    return number


def _last_ids(address: str) -> list[int]:
    """Of the GOAWAYs that a client without calls is sent until it is closed."""
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as connection:
        connection.sendall(PREFACE + wire.settings())
        frames, found = Frames(), list[int]()
        while data := connection.recv(1 << 16):
            for frame in frames.read(data):
                if frame.type == hf.GoAwayFrame.type:
                    found.append(frame.last_stream_id)
                elif frame.type == hf.PingFrame.type and "ACK" not in frame.flags:
                    connection.sendall(wire.ping(frame.opaque_data, "ACK"))
        return found


def test_workers_end_with_the_process_that_watches_over_them(tmp_path):
    one = Running(tmp_path)
    one.configure(workers=2)
    one.start()
    eventually(lambda: one.log.read_text().count('"serving"') == 2)
    workers = children(one.process.pid)
    one.process.kill()
    one.process.wait()
    eventually(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
