"""Noticing that files have changed."""

import asyncio
import contextlib

import pytest

from authz.server import reload
from tests.servers import PATIENCE_S


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.yaml").write_text("a: 1")
    return tmp_path


def edit(folder):
    (folder / "a.yaml").write_text("a: 22")


def add(folder):
    (folder / "b.yaml").write_text("b: 1")


def remove(folder):
    (folder / "a.yaml").unlink()


def replace(folder):
    (folder / "new").write_text("a: 1")
    (folder / "new").replace(folder / "a.yaml")


def mount(folder):
    """As a kubelet does it: a hidden folder of versions, and a link to the newest."""
    (folder / "..v2").mkdir()
    (folder / "..v2" / "a.yaml").write_text("a: 1")
    (folder / "link").symlink_to("..v2/a.yaml")
    (folder / "link").replace(folder / "a.yaml")


@pytest.mark.parametrize("change", [edit, add, remove, replace, mount])
def test_a_change_changes_the_fingerprint(folder, change):
    before = reload.fingerprint([folder])
    change(folder)
    assert reload.fingerprint([folder]) != before


def test_without_a_change_it_stays(folder):
    assert reload.fingerprint([folder]) == reload.fingerprint([folder])


def test_what_does_not_exist_has_no_fingerprint(folder):
    assert reload.fingerprint([folder / "gone"]) == ()


async def test_the_loop_calls_once_for_a_change_and_outlives_a_failure(folder):
    calls: list[int] = []
    called = asyncio.Event()

    async def changed() -> None:
        calls.append(len(calls))
        called.set()
        raise ValueError("a bug in what is called")

    task = asyncio.create_task(reload.loop(lambda: [folder], changed, reload.fingerprint([folder]), 0.01))
    for change in (edit, add):
        called.clear()
        await asyncio.sleep(0.03)
        change(folder)
        await asyncio.wait_for(called.wait(), PATIENCE_S)
    await asyncio.sleep(0.05)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert calls == [0, 1]


async def test_a_change_before_the_loop_began_is_not_missed(folder):
    """Between the first reading and the first look, sources are asked, which may take seconds."""
    seen, called = reload.fingerprint([folder]), asyncio.Event()

    async def changed() -> None:
        called.set()

    edit(folder)
    task = asyncio.create_task(reload.loop(lambda: [folder], changed, seen, 0.01))
    await asyncio.wait_for(called.wait(), PATIENCE_S)
    task.cancel()
