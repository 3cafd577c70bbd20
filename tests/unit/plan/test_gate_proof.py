from __future__ import annotations

import pytest
from tests.unit.plan.gates import at, gate, until

from kubeprobe.plan.gate_proof import (
    EVERY_SECONDS,
    LABEL_PROOF,
    MARK,
    MESSAGE_BYTES,
    MISSES,
    SILENT_SECONDS,
    SOON_SECONDS,
    UNPROVEN_SECONDS,
    Trials,
    denied,
    is_tried,
    let_through,
    too_long,
    trial,
    tried,
)
from kubeprobe.plan.gate_words import Proof

DENIED = denied(f"denied: {MARK}")


@pytest.mark.parametrize(
    ("spec", "expected"), [({}, True), ({"enforcement": "Warn"}, False), ({"enforcement": "Off"}, False)]
)
def test_only_what_is_enforced_is_tried(spec: dict[str, str], expected: bool) -> None:
    assert is_tried(gate(**spec)) is expected
    assert not is_tried(gate(metadata={"deletionTimestamp": until(0)}, **spec))


def test_what_is_tried_names_the_gate_and_would_run_nothing() -> None:
    manifest = trial(gate(), "kubeprobe")
    assert manifest is not None
    assert manifest["metadata"]["namespace"] == "kubeprobe"
    assert manifest["metadata"]["labels"][LABEL_PROOF] == "production"
    assert manifest["spec"]["replicas"] == 0
    assert manifest["spec"]["selector"]["matchLabels"] == manifest["spec"]["template"]["metadata"]["labels"]
    assert MARK not in str(manifest), "a refusal that merely names it must not look like the gate's"


def test_a_gate_that_no_label_can_name_is_not_tried() -> None:
    assert trial(gate("g" * 63), "kubeprobe") is not None
    assert trial(gate("g" * 64), "kubeprobe") is None
    assert too_long().denied is None
    assert "63 characters" in too_long().message


def test_only_the_gates_own_denial_proves_it() -> None:
    assert DENIED.denied is True
    other = denied('deployments.apps "kubeprobe-trial" is forbidden: exceeded quota')
    assert other.denied is None
    assert "exceeded quota" in other.message
    assert len(denied("x" * 5000).message.encode()) <= MESSAGE_BYTES
    assert let_through().denied is False


def test_what_is_let_through_is_believed_after_some_times() -> None:
    trials, gaps = Trials(DENIED), []
    for _ in range(MISSES):
        trials = tried(trials, let_through(), at(0))
        gaps.append(trials.again_seconds)
    assert gaps == [*[SOON_SECONDS] * (MISSES - 1), UNPROVEN_SECONDS]
    assert trials.proof == let_through()
    for _ in range(2000):
        trials = tried(trials, let_through(), at(0))
        gaps.append(trials.again_seconds)
    assert trials.proof == let_through()
    assert gaps[MISSES : MISSES + 4] == [60, 120, 240, EVERY_SECONDS]
    assert gaps[-1] == EVERY_SECONDS


def test_until_then_what_was_known_stands() -> None:
    assert tried(Trials(DENIED), let_through(), at(0)).proof == DENIED
    assert tried(Trials(), let_through(), at(0)).proof is None


def test_a_denial_counts_at_once() -> None:
    assert tried(Trials(let_through(), MISSES), DENIED, at(0)) == Trials(DENIED, 0, EVERY_SECONDS)


def test_what_cannot_be_tried_is_tried_again_soon() -> None:
    other = Proof(denied=None, message="a quota")
    assert tried(Trials(DENIED), other, at(0)) == Trials(other, 0, UNPROVEN_SECONDS)
    assert tried(Trials(DENIED, 2), None, at(0)) == Trials(DENIED, 2, UNPROVEN_SECONDS, at(0))


def test_after_a_while_without_an_answer_nothing_is_known_any_more() -> None:
    trials, seconds = Trials(DENIED), 100.0
    while seconds < 100 + SILENT_SECONDS:
        trials = tried(trials, None, at(seconds))
        assert trials.proof == DENIED
        seconds += UNPROVEN_SECONDS
    silent = tried(trials, None, at(seconds))
    assert silent.proof is not None
    assert silent.proof.denied is None
    assert "no answer since 2026-03-01 12:01:40Z" in silent.proof.message
    assert tried(silent, None, at(seconds + 60)) == silent, "the same words, which are not written again"
    assert tried(silent, DENIED, at(seconds + 60)) == Trials(DENIED, 0, EVERY_SECONDS)
