"""What a mistake, a suspension, silence and windows make of the answer."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import CREATED, at, config, ended, on_demand, template

from kubeprobe.api import ProbeConfig, ProbeResultStatus, Verdict
from kubeprobe.plan.config import followed
from kubeprobe.plan.resolve import Mistake, of_config
from kubeprobe.plan.result import fold
from kubeprobe.plan.standing import LATE_SECONDS, Standing, in_maintenance, pending, stand

MAIN = config()
WORK = of_config(MAIN, template(timeout="30s"), {})
WRONG = Mistake("InvalidParams", "spec.params.port: 'x' is not an integer")
U, P = Verdict.UNKNOWN, Verdict.PASSED
GOOD = fold(pending(MAIN, at(0)), MAIN, [ended("r", at(65))], at(70))
STALE_AT = 180 + 30 + LATE_SECONDS
"""Two slots after the run's end at 65 s, and what the second one's run may take."""


def stood(
    answer: ProbeResultStatus = GOOD, one: ProbeConfig = MAIN, *, seconds: float, work: Any = WORK, runs: Any = ()
) -> Standing:
    cadence = None if isinstance(work, Mistake) else followed(one)
    return stand(answer, one, work, cadence, runs, at(seconds))


def condition(status: ProbeResultStatus, kind: str) -> tuple[str, str]:
    (found,) = [one for one in status.conditions if one.type == kind]
    return found.status, found.reason


# Mistakes


def test_what_cannot_run_is_not_known_and_waits_for_a_run_when_mended() -> None:
    good = stood(seconds=70).status
    wrong = stood(good, seconds=100, work=WRONG).status
    assert (wrong.verdict, wrong.since, wrong.reason, wrong.message) == (U, at(100), "InvalidParams", WRONG.message)
    assert condition(wrong, "Healthy") == ("Unknown", "InvalidParams")
    assert condition(wrong, "Fresh") == ("False", "InvalidParams")
    assert stood(wrong, seconds=105, work=WRONG).status is wrong
    other = stood(wrong, seconds=110, work=Mistake("TemplateNotFound", "none")).status
    assert (other.reason, other.since) == ("TemplateNotFound", at(100))
    mended = stood(other, seconds=115).status
    assert (mended.verdict, mended.reason, mended.since) == (U, "Pending", at(100))
    assert stood(mended, seconds=116).status is mended
    assert fold(mended, MAIN, [ended("r2", at(120))], at(120)).verdict is P


def test_a_long_mistake_is_cut_and_stands() -> None:
    long = Mistake("InvalidParams", "x" * 5000)
    wrong = stood(seconds=71, work=long).status
    assert len(wrong.message) <= 1024
    assert stood(wrong, seconds=72, work=long).status is wrong


# Suspension


def test_a_suspended_config_has_no_answer() -> None:
    found = stood(one=config(suspend=True), seconds=80)
    assert (found.status.verdict, found.status.reason, found.changes_at) == (U, "Suspended", None)
    assert stood(found.status, seconds=90).status.reason == "Pending"


# Silence


def test_an_answer_is_fresh_while_runs_complete() -> None:
    fresh = stood(seconds=STALE_AT - 0.1)
    assert (fresh.status.verdict, condition(fresh.status, "Fresh")) == (P, ("True", "RunsComplete"))
    assert fresh.changes_at == at(STALE_AT)


def test_silence_makes_it_unknown_until_a_run_completes_again() -> None:
    stale = stood(seconds=STALE_AT)
    assert (stale.status.verdict, stale.status.reason, stale.status.since) == (U, "Stale", at(STALE_AT))
    assert "since 2026-03-01 12:01:05Z" in stale.status.message
    assert (condition(stale.status, "Fresh"), stale.changes_at) == (("False", "Stale"), None)
    again = fold(stale.status, MAIN, [ended("r2", at(290))], at(290))
    assert stood(again, seconds=290).status.verdict is P


def test_a_run_that_is_not_enough_for_a_verdict_ends_the_silence_all_the_same() -> None:
    careful = config(thresholds={"successes": 2})
    stale = stood(one=careful, seconds=STALE_AT).status
    stale = stale.model_copy(update={"consecutive": stale.consecutive.model_copy(update={"passed": 0})})
    again = fold(stale, careful, [ended("r2", at(290))], at(290))
    status = stood(again, careful, seconds=290).status
    assert (status.verdict, status.reason, condition(status, "Fresh")) == (U, "Pending", ("True", "RunsComplete"))


def test_before_the_first_run_nothing_is_late_and_later_it_is() -> None:
    new = pending(MAIN, at(0))
    waiting = stood(new, seconds=1)
    assert (condition(waiting.status, "Fresh"), waiting.status.reason) == (("Unknown", "Pending"), "Pending")
    assert waiting.changes_at == at(120 + 30 + LATE_SECONDS)
    silent = stood(waiting.status, seconds=170).status
    assert (silent.reason, silent.since) == ("Stale", at(0))
    assert "no run has completed since 2026-03-01 12:00:00Z" in silent.message


def test_attempts_take_their_time() -> None:
    retried = config(retries={"limit": 2, "delay": "5s"})
    assert stood(one=retried, seconds=70).changes_at == at(180 + 3 * (30 + LATE_SECONDS) + 10)


def test_silence_is_counted_from_the_last_change_of_the_schedule() -> None:
    status = MAIN.status.model_validate({"slots": {"cadence": "every 60s", "since": at(600).isoformat()}})
    resumed = MAIN.model_copy(update={"status": status})
    assert stood(one=resumed, seconds=610).changes_at == at(720 + 30 + LATE_SECONDS)


def test_a_clock_that_ran_ahead_does_not_keep_an_answer_fresh() -> None:
    ahead = fold(pending(MAIN, at(0)), MAIN, [ended("r", at(9000))], at(9000))
    assert stood(ahead, seconds=100).changes_at == at(180 + 30 + LATE_SECONDS)


def test_a_sweep_is_heard_with_each_wave_and_takes_its_time() -> None:
    one = config(targets={"eachNode": {"maxConcurrent": 20}})
    assert stood(one=one, seconds=70).changes_at == at(180 + 3 * 30 + LATE_SECONDS)
    wave = ended("wave", at(170))
    assert stood(one=one, seconds=180, runs=[wave]).changes_at == at(240 + 3 * 30 + LATE_SECONDS)


def test_on_demand_is_as_old_as_it_is() -> None:
    one = on_demand()
    found = stood(one=one, seconds=10**6)
    assert (found.status.verdict, found.changes_at) == (P, None)
    assert all(each.type != "Fresh" for each in found.status.conditions)


# Windows


NIGHT: dict[str, Any] = {"cron": "2 12 * * *", "duration": "10m"}  # from 120 s to 720 s


def test_an_open_window_is_told_and_the_verdict_stays() -> None:
    one = config(maintenance=[NIGHT])
    before = stood(one=one, seconds=100)
    assert (condition(before.status, "Maintenance"), before.changes_at) == (("False", "NoWindow"), at(120))
    inside = stood(before.status, one, seconds=130)
    assert (inside.status.verdict, condition(inside.status, "Maintenance")) == (P, ("True", "WindowOpen"))
    assert in_maintenance(inside.status)
    assert not in_maintenance(before.status)
    without = stood(inside.status, seconds=140).status
    assert all(each.type != "Maintenance" for each in without.conditions)


def test_a_pause_is_not_silence_until_long_after() -> None:
    one = config(maintenance=[{**NIGHT, "runs": "Pause"}])
    paused = stood(one=one, seconds=700)
    assert (paused.status.verdict, condition(paused.status, "Fresh")) == (P, ("True", "RunsComplete"))
    after = stood(paused.status, one, seconds=730)
    assert (after.status.verdict, after.changes_at) == (P, at(600 + STALE_AT))
    assert stood(after.status, one, seconds=900).status.reason == "Stale"


@pytest.mark.parametrize("seconds", [130, 500])
def test_a_pause_over_an_answer_that_was_silent_before_says_so(seconds: float) -> None:
    one = config(maintenance=[{**NIGHT, "runs": "Pause"}], schedule={"every": "1s"}, timeout="1s")
    work = of_config(one, template(timeout="1s"), {})
    found = stood(one=one, seconds=seconds, work=work).status
    assert (found.reason, condition(found, "Fresh")) == ("Maintenance", ("False", "Maintenance"))
    assert at(seconds) > CREATED
