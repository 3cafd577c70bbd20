from __future__ import annotations

import pytest
from tests.chaos.again import AGAIN_SECONDS, Again

LATE = AGAIN_SECONDS + 1


@pytest.mark.parametrize(
    ("engine", "through", "cluster", "says"),
    [
        (5, 12, 3, []),
        (5, 3 * LATE, 3 * LATE, []),
        (LATE, LATE, LATE, ["31s until a slot had its run"]),
        (5, 10 + LATE, 10, ["31s later than other pods"]),
    ],
    ids=["all well", "a cluster that takes its time", "an engine that does", "a probe that does"],
)
def test_what_is_late_is_the_engines_alone(engine: float, through: float, cluster: float, says: list[str]) -> None:
    found = list(Again(engine, through, cluster).late())
    assert len(found) == len(says)
    assert all(words in one for words, one in zip(says, found, strict=True))
