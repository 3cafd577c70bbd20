"""The answer for a config with resident probers: it follows them, and stands for a while when they are not heard."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import pytest
from tests.unit.plan.builders import at, on_demand, written
from tests.unit.plan.residents import prober, resident, sample, spot, voice, word

from kubeprobe.api import Condition, ProbeConfig, ProbeResultStatus, ResidentSource, Verdict
from kubeprobe.plan.resident_answer import (
    QUICK_REFILL_SECONDS,
    QUICK_WRITES,
    Damper,
    Heard,
    all_heard_at,
    fresh_resident_until,
    stand_resident,
    terms_of,
)
from kubeprobe.plan.resident_tally import Tally
from kubeprobe.plan.resident_word import Voice
from kubeprobe.plan.resolve import Mistake
from kubeprobe.plan.result import RENEWED_SECONDS, plan_write
from kubeprobe.plan.standing import Standing, pending

MAIN = resident()
WORK: Any = object()


def heard(*voices: Voice, since: float = -1000, tally: Tally | None = None, **counted: Any) -> Heard:
    return Heard(voices, tally or Tally(), counted, at(since))


def stood(
    before: ProbeResultStatus, what: Heard, now: float = 1, config: ProbeConfig = MAIN, work: Any = WORK
) -> Standing:
    return stand_resident(before, config, work, what, at(now))


def answer(*voices: Voice, now: float = 1, config: ProbeConfig = MAIN) -> ProbeResultStatus:
    return stood(pending(config, at(0)), heard(*voices), now, config).status


def condition(status: ProbeResultStatus, kind: str) -> Condition:
    return next(one for one in status.conditions if one.type == kind)


PASSING = voice(told=word(3, newest=at(0.5)))
FAILING = voice(told=word(2, spot("a", since=5), heard=6))


class TestVerdict:
    def test_a_new_config_is_pending_until_something_is_heard(self) -> None:
        status = answer(voice())
        assert (status.verdict, status.reason) == (Verdict.UNKNOWN, "Pending")
        assert "prober" in status.message
        assert (condition(status, "Healthy").status, condition(status, "Fresh").status) == ("Unknown", "Unknown")

    def test_it_follows_the_probers(self) -> None:
        green = answer(PASSING)
        assert (green.verdict, green.message, green.since) == (Verdict.PASSED, "", at(0.5))
        assert (condition(green, "Healthy").status, condition(green, "Fresh").reason) == ("True", "ProbersHeard")
        red = stood(green, heard(FAILING), 6).status
        assert (red.verdict, red.reason, red.since) == (Verdict.FAILED, "TargetsFailed", at(5))
        assert red.message == "1 of 3 targets fails: a (refused)"
        assert condition(red, "Healthy").status == "False"
        assert red.resident is not None
        assert (red.resident.targets, red.resident.failed, red.resident.failing[0].target) == (3, 1, "a")

    def test_since_stays_while_the_verdict_does(self) -> None:
        red = stood(answer(PASSING), heard(FAILING), 6).status
        worse = voice(told=word(0, spot("a", since=5), spot("b", since=1), heard=9))
        assert stood(red, heard(worse), 9).status.since == at(5)

    @pytest.mark.parametrize("since", [-50, 0.5, 99])
    def test_a_time_that_cannot_be_is_not_believed(self, since: float) -> None:
        failing = voice(told=word(2, spot("a", since=since), heard=6))
        assert stood(answer(PASSING), heard(failing), 6).status.since == at(6)

    def test_a_verdict_without_a_time_of_its_own_begins_now(self) -> None:
        assert answer(voice(told=word(3))).since == at(1)

    def test_what_was_known_stands_while_they_have_not_told_all(self) -> None:
        red = stood(answer(PASSING), heard(FAILING), 6).status
        partial = voice(told=word(1, unknown=2, whole=False, heard=7))
        after = stood(red, heard(partial), 7).status
        assert (after.verdict, after.since, after.message) == (red.verdict, red.since, red.message)
        assert after.resident == red.resident

    def test_before_anything_was_known_what_there_is_of_it_is_shown(self) -> None:
        status = answer(voice(told=word(1, unknown=2, whole=False)))
        assert status.resident is not None
        assert (status.verdict, status.resident.passed, status.resident.unknown) == (Verdict.UNKNOWN, 1, 2)

    def test_it_says_how_severe_it_is_and_what_it_is_about(self) -> None:
        status = answer(PASSING)
        assert (status.severity, status.observed_generation) == ("Warning", 1)

    def test_the_way_is_told(self) -> None:
        status = answer(voice(told=word(2, spot("a"), source="Kubelet")))
        assert status.resident is not None
        assert status.resident.source is ResidentSource.KUBELET


class TestSilence:
    def test_what_was_known_stands_for_a_while_and_then_nobody_knows(self) -> None:
        green = answer(PASSING)
        standing = stood(green, heard(PASSING), 29)
        assert (standing.status.verdict, standing.changes_at) == (Verdict.PASSED, at(30))
        late = stood(green, heard(PASSING), 30)
        assert (late.status.verdict, late.status.reason, late.status.since) == (Verdict.UNKNOWN, "Stale", at(30))
        assert late.status.message.startswith("nothing was heard of p for 30s")
        assert condition(late.status, "Fresh").status == "False"
        assert late.changes_at is None
        assert late.status.resident is not None
        assert (late.status.resident.unknown, late.status.resident.passed, late.status.resident.silent) == (3, 0, 1)

    def test_slow_probers_have_three_intervals(self) -> None:
        slow = resident(interval="20s")
        assert stood(answer(PASSING), heard(PASSING), 59, slow).status.verdict is Verdict.PASSED
        assert stood(answer(PASSING), heard(PASSING), 60, slow).status.verdict is Verdict.UNKNOWN

    def test_after_a_restart_the_answer_stands_until_something_could_have_been_heard(self) -> None:
        green = written(answer(PASSING))
        restarted = stood(green, heard(voice(), since=100), 129)
        assert (restarted.status.verdict, restarted.changes_at) == (Verdict.PASSED, at(130))
        assert restarted.status.resident == green.resident
        assert stood(green, heard(voice(), since=100), 130).status.reason == "Stale"

    def test_a_new_pod_has_time_to_speak(self) -> None:
        assert stood(answer(PASSING), heard(voice("new", created=100)), 129).status.verdict is Verdict.PASSED

    def test_without_a_pod_that_is_said(self) -> None:
        status = stood(pending(MAIN, at(0)), heard(), 30).status
        assert (status.reason, status.message.startswith("it has no pod")) == ("Stale", True)

    def test_many_silent_pods_are_counted(self) -> None:
        many = (voice(f"p{number}") for number in range(5))
        assert "heard of p0, p1, p2 and 2 more for" in stood(pending(MAIN, at(0)), heard(*many), 30).status.message

    def test_a_word_ends_it(self) -> None:
        stale = stood(answer(PASSING), heard(PASSING), 30).status
        back = stood(stale, heard(voice(told=word(3, heard=31, newest=at(0.5)))), 31).status
        assert (back.verdict, back.since, condition(back, "Fresh").status) == (Verdict.PASSED, at(31), "True")

    def test_a_word_that_does_not_tell_all_ends_only_the_silence(self) -> None:
        stale = stood(answer(PASSING), heard(PASSING), 30).status
        back = stood(stale, heard(voice(told=word(1, unknown=2, heard=31, whole=False))), 31).status
        assert (back.verdict, back.reason, back.since) == (Verdict.UNKNOWN, "Pending", at(30))


class TestAbove:
    def test_a_mistake_stands_above_what_is_heard(self) -> None:
        status = stood(answer(PASSING), heard(FAILING), 6, work=Mistake("TemplateNotFound", "there is none")).status
        assert (status.verdict, status.reason, status.message) == (Verdict.UNKNOWN, "TemplateNotFound", "there is none")

    def test_so_does_suspension_until_something_is_heard_again(self) -> None:
        paused = stood(answer(PASSING), heard(), 6, resident(suspend=True)).status
        assert (paused.verdict, paused.reason) == (Verdict.UNKNOWN, "Suspended")
        resumed = stood(paused, heard(voice(created=7)), 8).status
        assert (resumed.verdict, resumed.reason) == (Verdict.UNKNOWN, "Pending")
        assert stood(resumed, heard(voice(told=word(3, heard=9), created=7)), 9).status.verdict is Verdict.PASSED

    def test_a_maintenance_window_is_told_beside_the_verdict(self) -> None:
        config = resident(maintenance=[{"cron": "0 12 * * *", "duration": "1h", "timeZone": "UTC"}])
        standing = stood(answer(PASSING), heard(PASSING), 1, config)
        assert (standing.status.verdict, condition(standing.status, "Maintenance").status) == (Verdict.PASSED, "True")
        assert standing.changes_at == at(30)


class TestCounts:
    def test_probes_are_in_the_windows(self) -> None:
        status = stood(answer(PASSING), heard(PASSING, tally=Tally(9, 1, 0, {15: 9})), 2).status
        hour = status.window[0]
        assert (hour.passed, hour.failed, hour.success_ratio) == (9, 1, 0.9)

    def test_how_far_they_are_counted_is_kept_through_silence_and_for_those_that_were_not_heard_yet(self) -> None:
        told = prober(sample("a", passed=7))
        status = stood(answer(PASSING), Heard((PASSING,), Tally(7), {"uid-p": told}, at(0)), 2).status
        assert status.resident is not None
        assert status.resident.counted == ("uid-p 1 7,0,0",)
        for now in (10, 50):
            later = stood(written(status), heard(voice("p", None), since=9), now).status
            assert later.resident is not None
            assert later.resident.counted == ("uid-p 1 7,0,0",)


class TestTerms:
    def test_which_part_of_the_targets_counts(self) -> None:
        def share(**spec: Any) -> float | None:
            config = resident(**spec)
            assert config.spec.resident is not None
            return terms_of(config.spec.resident).share

        assert [share(), share(failWhen="All"), share(failWhen="Share", share=0.5)] == [None, 1.0, 0.5]

    @pytest.mark.parametrize(
        ("spec", "noise"),
        [
            ({}, ""),
            ({"failures": 3}, " (3 probes in a row each)"),
            ({"window": 20, "ratio": 0.25}, " (25% of a target's last 20 probes)"),
        ],
    )
    def test_what_takes_the_noise_out_is_put_into_words(self, spec: dict[str, Any], noise: str) -> None:
        config = resident(**spec)
        assert config.spec.resident is not None
        assert terms_of(config.spec.resident).noise == noise


class TestWrites:
    def test_a_turn_is_written_at_once_and_so_is_another_set_of_failing_targets(self) -> None:
        green = answer(PASSING)
        red = stood(green, heard(FAILING), 6).status
        plan = plan_write(written(green), at(5), red, "uid", at(6))
        assert (plan.write, plan.turned) == (True, True)
        other = stood(red, heard(voice(told=word(2, spot("b", since=5), heard=7))), 7).status
        plan = plan_write(written(red), at(6), other, "uid", at(7))
        assert (plan.write, plan.turned) == (True, False)

    def test_another_way_is_another_answer(self) -> None:
        green = answer(PASSING)
        by_log = stood(green, heard(voice(told=word(3, source="Kubelet", newest=at(0.5)))), 2).status
        assert plan_write(written(green), at(1), by_log, "uid", at(2)).write

    def test_mere_counts_wait_for_the_heartbeat(self) -> None:
        green = answer(PASSING)
        later = stood(green, heard(voice(told=word(3, served_ratio=0.9)), tally=Tally(9)), 2).status
        plan = plan_write(written(green), at(1), later, "uid", at(2))
        assert not plan.write
        assert plan.wake_at is not None

    def test_what_turns_too_often_waits_for_its_time(self) -> None:
        green = answer(PASSING)
        red = stood(green, heard(FAILING), 6).status
        plan = plan_write(written(green), at(5.5), red, "uid", at(6), at(6.5))
        assert (plan.write, plan.turned, plan.wake_at) == (False, True, at(6.5))
        assert plan_write(written(green), at(5.5), red, "uid", at(6.5), at(6.5)).write


class TestDamper:
    def test_writes_are_a_second_apart_and_after_many_five(self) -> None:
        damper, now, times = Damper(), at(0), list[datetime]()
        for _ in range(2 * QUICK_WRITES):
            now = damper.free_at() or now
            damper = damper.written(now)
            times.append(now)
        gaps = [(after - before).total_seconds() for before, after in itertools.pairwise(times)]
        assert min(gaps) >= 1
        assert gaps[:QUICK_WRITES] == [1] * QUICK_WRITES
        assert gaps[-1] == pytest.approx(QUICK_REFILL_SECONDS)

    def test_calm_makes_it_quick_again(self) -> None:
        tired = Damper(0.0, at(0))
        assert tired.free_at() == at(5)
        rested = tired.written(at(10_000))
        assert (rested.free_at(), rested.tokens) == (at(10_001), QUICK_WRITES - 1)
        assert tired.written(at(-5)).tokens == -1


def test_an_answer_is_out_of_date_after_some_heartbeats() -> None:
    assert fresh_resident_until(MAIN, at(0)) == at(RENEWED_SECONDS + 30)
    assert fresh_resident_until(resident(suspend=True), at(0)) is None
    assert fresh_resident_until(on_demand(), at(0)) is None


def test_all_is_heard_up_to_where_the_one_is_that_told_least_lately() -> None:
    told = [voice("a", word(1, heard=20)), voice("b", word(1, heard=18)), voice("new")]
    assert all_heard_at(MAIN, heard(*told), at(21)) == at(18)
    silent = voice("silent", word(1, heard=-100))
    assert all_heard_at(MAIN, heard(*told, silent), at(21)) == at(18)
    assert all_heard_at(MAIN, heard(silent), at(21)) is None
    assert all_heard_at(on_demand(), heard(*told), at(21)) is None
