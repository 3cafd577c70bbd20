"""The rate that a prober comes to is told when it lasts, and no more often than it changes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import CREATED, at
from tests.unit.plan.residents import resident, sample, samples

from kubeprobe.api import Condition, ProbeConfig
from kubeprobe.plan.resident_rate import (
    HIGH_ENOUGH,
    RATE_KEPT,
    SPAN_INTERVALS,
    SPAN_SECONDS,
    TOO_LOW,
    Served,
    said_of_rate,
    turns_rate,
)
from kubeprobe.plan.resolve import Mistake
from kubeprobe.plan.samples import Prober, merge

FAST = resident(interval="10ms")


class Telling:
    """A prober of one target that tells each ten seconds how many of a thousand slots it missed."""

    def __init__(self, interval_seconds: float = 0.01) -> None:
        self.interval_seconds = interval_seconds
        self.prober: Prober | None = None
        self.served = Served()
        self.sequence = 0
        self.slots = self.missed = self.turns = 0

    def tell(self, missed: int = 0, times: int = 1, turns: int = 0, **more: Any) -> float | None:
        for _ in range(times):
            self.sequence += 1
            self.slots, self.missed, self.turns = self.slots + 1000, self.missed + missed, self.turns + turns
            counts = {"passed": self.slots - self.missed, "unknown": self.missed, "missed": self.missed}
            said = samples(
                self.sequence,
                sample(turns=self.turns, **{**counts, **more}),
                interval_seconds=self.interval_seconds,
            )
            merged = merge(self.prober, said, at(10 * self.sequence))
            self.prober = merged.prober
            self.served = self.served.plus(merged.gains, self.interval_seconds, at(10 * self.sequence))
        return self.share()

    def share(self) -> float | None:
        return self.served.share(self.interval_seconds)


def standing(status: str, message: str = "", generation: int = 1, config: ProbeConfig = FAST) -> ProbeConfig:
    """The config with such a condition."""
    reason = RATE_KEPT if status == "True" else "IntervalTooShort"
    one = Condition(
        type=RATE_KEPT,
        status=status,
        reason=reason,
        message=message,
        observed_generation=generation,
        last_transition_time=CREATED,
    )
    return config.model_copy(update={"status": config.status.model_copy(update={"conditions": (one,)})})


def mistake(config: ProbeConfig, share: float) -> Mistake:
    found = said_of_rate(config, share)[RATE_KEPT]
    assert isinstance(found, Mistake)
    return found


def slow(share: float, config: ProbeConfig = FAST) -> ProbeConfig:
    """The config that was told of such a share."""
    return standing("False", mistake(config, share).message, config=config)


class TestServed:
    def test_it_is_known_after_a_while(self) -> None:
        one = Telling()
        assert one.tell(400, times=13) is None
        assert one.tell(400) == pytest.approx(0.6)

    def test_it_follows_slowly(self) -> None:
        one = Telling()
        assert one.tell(times=100) == 1
        after_one = one.tell(1000)
        assert after_one is not None
        assert after_one > TOO_LOW
        after_all = one.tell(1000, times=int(3 * SPAN_SECONDS / 10))
        assert after_all is not None
        assert after_all < 0.1

    @pytest.mark.parametrize("more", [{"verdict": "Failed"}, {"turns": 1}])
    def test_what_is_the_targets_own_doing_does_not_count(self, more: dict[str, Any]) -> None:
        one = Telling()
        one.tell(times=20)
        turns = more.pop("turns", 0)
        assert one.tell(1000, times=20, turns=turns, **more) == 1

    def test_another_rate_begins_anew(self) -> None:
        one = Telling()
        assert one.tell(500, times=20) is not None
        one.interval_seconds = 0.02
        assert one.share() is None
        one.tell(0)
        assert one.share() is None
        assert one.tell(0, times=20) == 1

    def test_of_few_probes_it_takes_longer(self) -> None:
        one = Telling(interval_seconds=3600)
        assert one.tell(500, times=50) is None
        assert SPAN_INTERVALS * 3600 > SPAN_SECONDS

    def test_a_clock_that_is_put_back_forgets_nothing(self) -> None:
        one = Telling()
        one.tell(500, times=20)
        (gain,) = merge(one.prober, samples(99, sample(passed=50_000, unknown=10_000, missed=10_000)), at(300)).gains
        assert one.served.plus([gain], 0.01, at(-300)).due > one.served.due


class TestSaid:
    def test_nothing_is_said_before_it_is_known(self) -> None:
        assert said_of_rate(FAST, None) == {}
        assert not turns_rate(FAST, None)

    def test_what_was_said_stands_for_a_new_leader_but_not_for_another_spec(self) -> None:
        assert said_of_rate(slow(0.5), None) == {}
        older = standing("False", "x", generation=0)
        assert said_of_rate(older, None) == {RATE_KEPT: None}
        assert turns_rate(older, None)

    def test_it_is_kept(self) -> None:
        assert said_of_rate(FAST, TOO_LOW) == {RATE_KEPT: RATE_KEPT}
        assert turns_rate(FAST, TOO_LOW)
        assert not turns_rate(standing("True"), TOO_LOW)

    def test_it_is_not_kept_and_what_is_achieved_is_told(self) -> None:
        told = mistake(FAST, 0.61)
        assert told.reason == "IntervalTooShort"
        assert told.message.startswith(
            "spec.resident.interval: 10ms is shorter than can be kept: its prober comes to about 60% of its probes, "
            "one of each target in 16.7ms. Write a longer interval"
        )
        assert turns_rate(standing("True"), 0.61)
        assert "one of each target in 7200s" in mistake(resident(interval="1h"), 0.5).message
        assert "hardly any of its probes" in mistake(FAST, 0.01).message
        assert "the slowest of its probers" in mistake(resident(interval="10ms", eachNode=True), 0.5).message

    def test_what_is_told_stands_until_it_is_well_off(self) -> None:
        config = slow(0.6)
        for share in (0.6, 0.5, 0.7, 0.51, 0.69):
            assert not turns_rate(config, share)
        for share in (0.45, 0.75):
            assert turns_rate(config, share)

    def test_it_is_kept_again_only_well_above_where_it_was_not(self) -> None:
        config = slow(0.89)
        assert not turns_rate(config, TOO_LOW + 0.03)
        assert "about 90%" in mistake(config, 0.979).message
        assert said_of_rate(config, HIGH_ENOUGH) == {RATE_KEPT: RATE_KEPT}

    def test_counts_that_were_read_while_they_changed_make_no_share_below_none(self) -> None:
        assert "hardly any" in mistake(FAST, -0.1).message
