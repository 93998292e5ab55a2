"""A kind of object, followed: through pages, bookmarks, broken streams and 410 Gone."""

import asyncio

import pytest

from authz.controller.api import Refused, Silent, Unreachable
from authz.controller.kinds import APIRULES, POLICIES
from authz.controller.watch import FRESH_S, Store, Watch
from tests.controller.clusters import eventually
from tests.controller.fakes import FakeApi


@pytest.fixture
def api():
    return FakeApi()


@pytest.fixture
async def watched(api):
    seen = []
    store = Store(lambda document: document["spec"], lambda *change: seen.append(change))
    watch = Watch(api, APIRULES, store, spread_s=0)
    yield store, watch, seen
    for task in TASKS:
        task.cancel()
    TASKS.clear()


TASKS: list[asyncio.Task[None]] = []


async def begun(watch):
    TASKS.append(asyncio.create_task(watch.run()))
    await watch.synced.wait()


async def known(store, expected):
    async def look():
        return store.known == expected

    await eventually(look)


async def test_all_pages_are_read(api, watched):
    for name in "abcde":
        api.put(name, spec=name)
    store, watch, _ = watched
    await begun(watch)
    assert store.known == {f"n/{name}": name for name in "abcde"}


async def test_changes_are_followed_and_told(api, watched):
    api.put("a", spec=1)
    store, watch, seen = watched
    await begun(watch)
    api.events.put_nowait(api.event("MODIFIED", api.put("a", spec=2)))
    api.events.put_nowait(api.event("ADDED", api.put("b", spec=3)))
    api.events.put_nowait(api.event("DELETED", api.put("a", spec=2)))
    await known(store, {"n/b": 3})
    assert seen == [("n/a", None, 1), ("n/a", 1, 2), ("n/b", None, 3), ("n/a", 2, None)]


async def test_a_bookmark_moves_the_place_from_which_it_goes_on(api, watched):
    _, watch, _ = watched
    await begun(watch)
    api.events.put_nowait(b'{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "77"}}}')
    api.events.put_nowait(None)

    async def again():
        return api.asked[-1].get("resourceVersion") == "77"

    await eventually(again)
    assert watch.lists == 1


@pytest.mark.parametrize("broken", [Unreachable("closed"), b'{"type": "MODIF', None], ids=str)
async def test_a_watch_that_breaks_off_goes_on_where_it_was(api, watched, broken):
    store, watch, _ = watched
    await begun(watch)
    api.events.put_nowait(api.event("ADDED", api.put("a", spec=1)))
    api.events.put_nowait(broken)
    api.events.put_nowait(api.event("MODIFIED", api.put("a", spec=2)))
    await known(store, {"n/a": 2})
    assert watch.lists == 1
    assert [one["resourceVersion"] for one in api.asked if "watch" in one] == ["0", "1"]


GONE = b'{"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}'


@pytest.mark.parametrize(
    "expired", [GONE, Refused(410, "too old"), Silent("for long")], ids=["event", "answer", "silence"]
)
async def test_what_is_too_old_is_listed_anew_and_what_has_gone_meanwhile_is_noticed(api, watched, expired):
    api.put("a", spec=1)
    api.put("b", spec=2)
    store, watch, seen = watched
    await begun(watch)
    del api.objects["n/a"]
    api.put("c", spec=3)
    api.events.put_nowait(expired)
    await known(store, {"n/b": 2, "n/c": 3})
    assert watch.lists == 2
    assert ("n/a", 1, None) in seen


async def test_nothing_is_forgotten_while_the_server_is_away(api, watched):
    api.put("a", spec=1)
    store, watch, _ = watched
    await begun(watch)
    api.errors = [Unreachable("down")] * 3
    api.events.put_nowait(GONE)
    await asyncio.sleep(0.05)
    assert store.known == {"n/a": 1}
    await known(store, {"n/a": 1})


async def test_an_older_version_never_takes_the_place_of_a_newer_one(api, watched):
    old = api.put("a", spec=1)
    store, watch, _ = watched
    await begun(watch)
    store.put(api.put("a", spec=2))  # the answer to a write of our own
    api.events.put_nowait(api.event("MODIFIED", old))
    api.events.put_nowait(api.event("ADDED", api.put("b", spec=3)))
    await known(store, {"n/a": 2, "n/b": 3})


async def test_an_answer_that_comes_after_the_end_brings_nothing_back(api, watched):
    store, watch, seen = watched
    await begun(watch)
    written = api.put("a", spec=1)  # by us, and its answer is on its way
    api.events.put_nowait(api.event("ADDED", written))
    api.events.put_nowait(api.event("DELETED", api.put("a", spec=1)))
    api.events.put_nowait(api.event("ADDED", api.put("b", spec=2)))
    await known(store, {"n/b": 2})
    store.put(written)
    assert store.known == {"n/b": 2}
    store.put(api.put("a", spec=3))
    assert store.known == {"n/a": 3, "n/b": 2}
    assert seen == [("n/a", None, 1), ("n/a", 1, None), ("n/b", None, 2), ("n/a", None, 3)]


async def test_after_a_restore_from_a_backup_what_is_there_counts_though_it_is_older(api, watched):
    for spec in (1, 2, 3):
        api.put("a", spec=spec)
    api.put("b", spec=4)
    store, watch, _ = watched
    await begun(watch)
    store.drop("n/b", api.version)
    api.objects.clear()
    api.version = 1
    api.put("a", spec="restored")
    api.put("b", spec="back")
    api.events.put_nowait(Silent("nothing comes after a version that is not there yet"))
    await known(store, {"n/a": "restored", "n/b": "back"})
    api.events.put_nowait(api.event("MODIFIED", api.put("a", spec="edited")))
    await known(store, {"n/a": "edited", "n/b": "back"})


async def test_before_it_leads_it_hears_what_a_dead_connection_has_not_told(api, watched):
    store, watch, _ = watched
    await begun(watch)
    watch._heard_s -= FRESH_S
    asked = asyncio.create_task(watch.fresh())

    async def asks_again():
        return api.asked[-1].get("timeoutSeconds") == "1"

    await eventually(asks_again)
    assert not asked.done()
    api.events.put_nowait(api.event("ADDED", api.put("a", spec=1)))
    api.events.put_nowait(None)
    await asked
    assert store.known == {"n/a": 1}
    assert watch.lists == 1
    await watch.fresh()


async def test_it_may_begin_to_lead_while_a_watch_pauses_that_broke_off(api, watched):
    store, watch, _ = watched
    await begun(watch)
    watch._heard_s -= FRESH_S
    api.events.put_nowait(Unreachable("down"))

    async def pauses():
        return watch.failures

    await eventually(pauses)
    asked = asyncio.create_task(watch.fresh())
    api.events.put_nowait(api.event("ADDED", api.put("a", spec=1)))
    api.events.put_nowait(None)
    await asked
    assert store.known == {"n/a": 1}


async def test_only_what_is_selected_is_asked_for_and_the_place_is_told_meanwhile(api):
    watch = Watch(api, POLICIES, Store(lambda document: document))
    await begun(watch)
    api.events.put_nowait(None)

    async def follows():
        return len(api.asked) > 1

    await eventually(follows)
    TASKS.pop().cancel()
    assert {one["labelSelector"] for one in api.asked} == {POLICIES.labels}
    assert api.asked[1]["allowWatchBookmarks"] == "true"


async def test_who_may_not_list_yet_goes_on_asking(api, watched):
    api.put("a", spec=1)
    api.errors = [Refused(403, "no"), Unreachable("down")]
    store, watch, _ = watched
    await begun(watch)
    assert store.known == {"n/a": 1}
    assert watch.failures == 0


async def test_an_error_within_a_watch_is_no_event_and_what_comes_after_it_counts(api, watched):
    store, watch, _ = watched
    await begun(watch)
    api.events.put_nowait(b'{"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "no"}}')

    async def failing():
        return watch.failures

    await eventually(failing)
    api.events.put_nowait(api.event("ADDED", api.put("a", spec=1)))
    await known(store, {"n/a": 1})
    assert (watch.failures, watch.lists) == (0, 1)


def test_an_end_that_is_older_than_what_is_known_is_none():
    store = Store(lambda document: document["spec"])
    store.put({"metadata": {"name": "a", "namespace": "n", "resourceVersion": "7"}, "spec": 1})
    store.drop("n/a", 6)
    assert store.known == {"n/a": 1}
