"""A short run of tools/days: what happens to an engine in a minute, under real connections."""

import pytest

from support.days import Days


@pytest.mark.parametrize("seed", [1])
def test_a_minute_of_random_days(make_lab, seed):
    lab = make_lab(backends=3, file_bytes=1)
    days = Days(lab, seed, print)
    days.begin()
    days.live(60)
    days.end()
    print(days.summary())
    assert days.failures == []
