"""A step ends by its own limit, by the user's, or in time before the run's deadline."""

import pytest

import cluster.limits
from cluster.limits import RESERVE_SECONDS, Limits, refuse_unknown_steps


@pytest.mark.parametrize(
    ("remaining", "chosen", "seconds"),
    [
        (1000.0, {}, 20.0),
        (1000.0, {"running": 5.0}, 5.0),
        (8.0, {}, 8.0),
        (8.0, {"running": 5.0}, 5.0),
        (-1.0, {}, 0.1),
    ],
)
def test_the_shortest_limit_holds(
    monkeypatch: pytest.MonkeyPatch, remaining: float, chosen: dict[str, float], seconds: float
) -> None:
    monkeypatch.setattr(cluster.limits, "remaining_seconds", lambda: remaining + RESERVE_SECONDS)
    allowed = Limits({"running": 20.0}, chosen).allow("running")
    assert allowed.seconds == seconds
    assert ("the run had left" in str(allowed)) == (remaining < 10 and not chosen)


def test_a_limit_for_no_step_is_refused() -> None:
    refuse_unknown_steps({"running": 1.0}, {"running": 20.0})
    with pytest.raises(ValueError, match="no such step: runing; there are running"):
        refuse_unknown_steps({"runing": 1.0}, {"running": 20.0})
