"""The bounded memory."""

from authz.core.memo import Memo


def test_what_was_put_is_found():
    memo = Memo[int](10)
    memo.put(b"a", 1)
    assert (memo.get(b"a"), memo.get(b"b"), len(memo)) == (1, None, 1)


def test_it_never_holds_more_than_its_limit():
    memo = Memo[int](10)
    for number in range(1000):
        memo.put(str(number).encode(), number)
        assert len(memo) <= 10
    assert memo.get(b"999") == 999


def test_what_is_asked_for_outlives_what_is_not():
    memo = Memo[int](10)
    memo.put(b"used", 1)
    memo.put(b"unused", 2)
    for number in range(20):
        memo.put(str(number).encode(), number)
        assert memo.get(b"used") == 1
    assert memo.get(b"unused") is None


def test_what_is_heavy_takes_the_place_of_much_that_is_light():
    memo = Memo[int](100)
    memo.put(b"too heavy", 0, 51)
    for number in range(1000):
        memo.put(str(number).encode(), number, 25)
        assert len(memo) <= 4
    assert (memo.get(b"too heavy"), memo.get(b"999")) == (None, 999)
