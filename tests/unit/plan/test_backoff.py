"""How long what failed rests."""

from __future__ import annotations

import pytest

from kubeprobe.plan.backoff import backoff_seconds


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (100_000, 30.0)])
def test_it_is_twice_as_long_after_each_failure_up_to_a_bound(failures: int, seconds: float) -> None:
    assert backoff_seconds(failures, 0.5, 30.0) == seconds
