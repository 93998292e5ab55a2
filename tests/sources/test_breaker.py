"""When an endpoint is left alone: each row is what happens, when, and whether a call may be made then."""

import pytest

from authz.sources.breaker import CLOSED, FAILURES_MAX, Breaker


def failed(times: int, now: float = 0.0) -> Breaker:
    breaker = CLOSED
    for _ in range(times):
        breaker = (breaker.asked(now) if breaker.admits(now) else breaker).failed(now)
    return breaker


@pytest.mark.parametrize(
    ("failures", "now", "admits"),
    [
        (0, 0, True),
        (FAILURES_MAX - 1, 0, True),
        (FAILURES_MAX, 0, False),
        (FAILURES_MAX, 0.99, False),
        (FAILURES_MAX, 1.0, True),
        (FAILURES_MAX + 100, 1.0, True),  # what was under way when it opened makes no pause longer
    ],
)
def test_it_opens_after_some_failures_in_a_row_and_lets_one_see_a_second_later(failures, now, admits):
    assert failed(failures).admits(now) is admits


def test_one_probe_at_a_time_each_after_a_pause_twice_as_long_up_to_half_a_minute():
    breaker, now, pauses = failed(FAILURES_MAX), 1.0, []
    for _ in range(7):
        assert breaker.admits(now)
        breaker = breaker.asked(now)
        assert not breaker.admits(now)
        breaker = breaker.failed(now)
        pauses.append(breaker.until_s - now)
        now = breaker.until_s
    assert pauses == [2, 4, 8, 16, 30, 30, 30]


def test_a_failure_that_is_not_in_a_row_is_forgotten():
    assert failed(FAILURES_MAX - 1).is_closed
    assert CLOSED.failed(0).failures == 1
