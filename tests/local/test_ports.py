"""The laptop's ports: fixed, moved together, and complained about by number and part."""

import socket
import subprocess
import sys

from authz.local import ports
from authz.local.ports import LOOPBACK, Ports


def test_all_ports_move_together():
    moved = Ports().moved(10)
    assert (moved.gateway, moved.idp, moved.sidecar) == (8090, 9410, 15110)


def test_no_two_parts_want_one_port():
    wanted = [port for port, _ in Ports().wanted(10, sign_in=True, kubernetes=True)]
    assert len(wanted) == len(set(wanted))


def test_a_taken_port_is_named_with_who_wants_it():
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        assert ports.taken([(port, "the gateway")]) == [f"port {port} is taken, and the gateway wants it"]
    assert ports.taken([(port, "the gateway")]) == []


def test_a_free_offset_is_free():
    offset = ports.free_offset(workloads=2)
    assert offset
    assert not ports.taken(Ports().moved(offset).wanted(2))


LOOKS = "from authz.local import ports; print(ports.free_offset(2), flush=True); input()"


def test_two_who_look_at_once_find_two():
    with subprocess.Popen(
        [sys.executable, "-c", LOOKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        theirs = int(other.stdout.readline())
        ours = {ports.free_offset(2), ports.free_offset(2)}
        other.communicate("\n")
    assert len(ours - {theirs}) == 1
