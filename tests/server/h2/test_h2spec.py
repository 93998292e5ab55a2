"""h2spec, an independent client that knows RFC 9113's and RFC 7541's rules, against the real server."""

import asyncio
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from authz.local import programs
from authz.server.h2.server import Server
from tests.server.test_service import service
from tests.server.transports import free_address

pytestmark = pytest.mark.slow

CASES = 145  # of h2spec 2.2.1: generic, http2 and hpack. All apply, so none may be skipped.


async def test_every_case_passes(tmp_path):
    address = free_address()
    server = Server(service(), address)
    await server.start()
    report = tmp_path / "report.xml"
    await run(programs.get("h2spec"), address, report)
    await server.stop()
    cases = list(ET.parse(report).iter("testcase"))
    failed = [f"{case.get('package')}: {case.get('classname')}" for case in cases if len(case)]
    assert not failed
    assert len(cases) == CASES


async def run(program: Path, address: str, report: Path) -> None:
    host, _, port = address.rpartition(":")
    command = (program, "-h", host, "-p", port, "-o", "5", "-j", report, "generic", "http2", "hpack")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    await process.wait()
