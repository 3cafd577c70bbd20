"""`kubeprobe gate`: what it shows, what it writes, how long it waits, and its exit code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.cli.cluster import Cluster
from typer.testing import CliRunner, Result

from kubeprobe.cli import gate as module
from kubeprobe.cli.main import app
from kubeprobe.kube.port import ApiError
from kubeprobe.plan.batch import change_id

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
UNREACHABLE = ApiError(0, "Unreachable", "the API server at x did not answer")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster(START)
    monkeypatch.setattr(module, "connect", made.connect)
    monkeypatch.setattr(module, "Time", lambda: made.times)
    return made


def command(*args: str) -> Result:
    return CliRunner().invoke(app, ["gate", "production", *args])


def change(id_: str = "chg-2", verdict: str = "Pending") -> dict[str, object]:
    return {"id": id_, "count": 3, "since": START.isoformat(), "verdict": verdict}


def test_an_open_gate_is_code_0(cluster: Cluster) -> None:
    cluster.gate(reason="Verified", message="2 probes pass after change chg-1", change=change("chg-1", "Passed"))
    result = command()
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "production Open for 0s, Verified",
        "2 probes pass after change chg-1",
        "change: chg-1, 3 objects, since 0s: Passed",
    ]


def test_a_closed_gate_is_code_1_and_names_its_probes(cluster: Cluster) -> None:
    failed = {"namespace": "probes", "name": "checkout", "verdict": "Failed", "reason": "CheckFailed", "closes": True}
    fine = {"namespace": "probes", "name": "cart", "verdict": "Passed"}
    enforced = {"type": "Enforced", "status": "False", "reason": "NotDenied", "message": "it was let through"}
    condition = {**enforced, "lastTransitionTime": START.isoformat()}
    cluster.closed(probes=[failed, fine], moreProbes=7, conditions=[condition])
    result = command("status")
    assert result.exit_code == 1
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[:4] == [
        "production Closed for 0s, ProbeFailed",
        "probe probes/checkout failed",
        "closure: abc",
        "enforced: False (NotDenied: it was let through)",
    ]
    assert lines[5:] == [
        "PROBE VERDICT SINCE WHY",
        "x probes/checkout Failed CheckFailed",
        "probes/cart Passed",
        "and 7 more probes",
    ]


def test_what_a_probe_said_does_not_steer_the_terminal(cluster: Cluster) -> None:
    one = {"namespace": "probes", "name": "a", "verdict": "Failed", "message": "\x1b[2Jgone\r\n"}
    cluster.closed(message="\x1b]0;title\x07", probes=[one])
    assert not set(command().stdout) & {"\x1b", "\x07", "\r"}


def test_what_the_operator_has_not_seen_is_not_known(cluster: Cluster) -> None:
    cluster.gate(seen=False)
    result = command()
    assert result.exit_code == 3
    assert "is it running?" in result.stdout


def test_no_such_gate(cluster: Cluster) -> None:
    result = command("wait")
    assert result.exit_code == 2
    assert result.stderr == "kubeprobe gate: there is no ChangeGate 'production'; kubectl get changegates lists them\n"


def test_wait_until_the_probes_have_said(cluster: Cluster) -> None:
    cluster.gate(reason="Settling", verdict="Pending", change=change(), message="change chg-2 has not come to rest")
    later: dict[str, Any] = {"change": change(), "message": "change chg-2 is being verified by 2 probes"}
    cluster.events[10] = lambda: cluster.gate(reason="Verifying", verdict="Pending", **later)
    cluster.events[25] = lambda: cluster.gate(reason="Verified", change=change("chg-2", "Passed"))
    result = command("wait")
    assert result.exit_code == 0
    assert cluster.waited == 25
    assert result.stdout.splitlines()[:3] == [
        "12:00:00Z production: Open, Settling: change chg-2 has not come to rest",
        "12:00:10Z production: Open, Verifying: change chg-2 is being verified by 2 probes",
        "production Open for 25s, Verified",
    ]


def test_what_a_gate_says_of_an_earlier_spec_is_no_answer(cluster: Cluster) -> None:
    cluster.gate(seen=False, reason="Verified")
    cluster.events[3] = cluster.closed
    assert command("wait").exit_code == 1
    assert cluster.waited == 3


def test_wait_ends_when_the_gate_closes(cluster: Cluster) -> None:
    cluster.gate(reason="Verifying", verdict="Pending", change=change())
    cluster.events[5] = lambda: cluster.closed(change=change("chg-2", "Failed"))
    assert command("wait").exit_code == 1
    assert cluster.waited == 5


@pytest.mark.parametrize(
    ("reason", "verdict", "code"), [("Inconclusive", "Inconclusive", 3), ("Override", "Failed", 1)]
)
def test_an_open_gate_is_not_a_verdict(cluster: Cluster, reason: str, verdict: str, code: int) -> None:
    cluster.gate(reason=reason, verdict=verdict, change=change("chg-2", verdict))
    assert command("wait").exit_code == code
    assert command("wait", "--until-open").exit_code == 0
    assert command().exit_code == 0


def test_wait_until_it_opens(cluster: Cluster) -> None:
    cluster.closed()
    cluster.events[40] = lambda: cluster.gate(reason="Recovered")
    assert command("wait", "--until-open").exit_code == 0
    assert cluster.waited == 40


def test_in_vain(cluster: Cluster) -> None:
    cluster.closed()
    result = command("wait", "--until-open", "--timeout", "30")
    assert result.exit_code == 3
    assert cluster.waited == 30
    assert "within 30s" in result.stderr


def test_a_change_that_was_just_made_is_given_time_to_be_noticed(cluster: Cluster) -> None:
    cluster.gate(reason="Verified", change=change("chg-1", "Passed"))
    cluster.events[12] = lambda: cluster.gate(reason="Verifying", verdict="Pending", change=change())
    cluster.events[20] = lambda: cluster.closed(change=change("chg-2", "Failed"))
    assert command("wait", "--notice", "70").exit_code == 1
    assert cluster.waited == 20


def test_a_change_that_was_judged_between_two_looks_is_noticed(cluster: Cluster) -> None:
    cluster.gate(reason="Verified", change=change("chg-1", "Passed"))
    cluster.events[12] = lambda: cluster.gate(reason="Verified", change=change("chg-2", "Passed"))
    assert command("wait", "--notice", "70").exit_code == 0
    assert cluster.waited == 12


def test_the_verdict_on_a_change_that_was_in_progress_before_is_none_on_what_was_just_made(cluster: Cluster) -> None:
    cluster.gate(reason="Verifying", verdict="Pending", change=change("chg-1"))
    cluster.events[12] = lambda: cluster.gate(reason="Verified", change=change("chg-1", "Passed"))
    cluster.events[40] = lambda: cluster.gate(reason="Verifying", verdict="Pending", change=change())
    cluster.events[60] = lambda: cluster.closed(change=change("chg-2", "Failed"))
    result = command("wait", "--notice", "70")
    assert (result.exit_code, result.stderr) == (1, "")
    assert cluster.waited == 60


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param(("Verified", "Failed"), "Recovered", id="recovers"),
        pytest.param(("Verifying", "Pending"), "Verified", id="was in progress"),
    ],
)
def test_where_nothing_is_noticed_the_gate_counts_as_it_is(cluster: Cluster, first: tuple[str, str], then: str) -> None:
    reason, verdict = first
    cluster.gate(reason=reason, verdict=verdict, change=change("chg-1", verdict))
    cluster.events[12] = lambda: cluster.gate(reason=then, change=change("chg-1", "Passed"))
    result = command("wait", "--notice", "70")
    assert result.exit_code == 0
    assert cluster.waited == 70
    assert "no change was told to production" in result.stderr


def test_a_gate_that_verifies_again_has_noticed_something(cluster: Cluster) -> None:
    cluster.gate(reason="Verified", change=change("chg-1", "Passed"))
    cluster.events[12] = lambda: cluster.gate(reason="Verifying", verdict="Pending", change=change("chg-1"))
    cluster.events[20] = lambda: cluster.gate(reason="Verified", change=change("chg-1", "Passed"))
    result = command("wait", "--notice", "70")
    assert (result.exit_code, result.stderr) == (0, "")
    assert cluster.waited == 20


def test_the_verdict_on_one_change(cluster: Cluster) -> None:
    before, asked, later = (change_id("", "", START + timedelta(seconds=number)) for number in range(3))
    cluster.gate(reason="Verified", change=change(before, "Passed"))
    cluster.events[5] = lambda: cluster.gate(reason="Verifying", verdict="Pending", change=change(asked))
    cluster.events[9] = lambda: cluster.closed(change=change(asked, "Failed"))
    result = command("wait", "--change", asked)
    assert (result.exit_code, result.stderr) == (1, "")
    assert cluster.waited == 9
    assert command("wait", "--change", later, "--timeout", "5").exit_code == 3


def test_a_change_is_told_of_too_by_what_was_verified_after_an_override(cluster: Cluster) -> None:
    cluster.gate(reason="Verified", change={"since": START.isoformat(), "verdict": "Passed"})
    assert command("wait", "--change", change_id("", "", START - timedelta(seconds=5))).exit_code == 0
    assert command("wait", "--change", change_id("", "", START + timedelta(seconds=5)), "--timeout", "5").exit_code == 3


def test_an_api_server_that_is_away_is_waited_for(cluster: Cluster) -> None:
    def away() -> None:
        cluster.trouble = UNREACHABLE

    def back() -> None:
        cluster.trouble = None
        cluster.gate(reason="Verified")

    cluster.gate(reason="Verifying", verdict="Pending")
    cluster.events |= {5: away, 20: back}
    result = command("wait")
    assert result.exit_code == 0
    assert "12:00:05Z the API server at x did not answer" in result.stdout


def test_a_gate_that_goes_away_ends_the_waiting(cluster: Cluster) -> None:
    cluster.gate(reason="Verifying", verdict="Pending")
    cluster.events[5] = cluster.objects.clear
    assert command("wait").exit_code == 2


def test_a_gate_of_a_newer_operator_is_an_error_and_not_closed(cluster: Cluster) -> None:
    cluster.gate(reason="SomethingNew")
    result = command()
    assert result.exit_code == 2
    assert "status.reason of production is not known to this version" in result.stderr


def test_an_api_server_that_is_away_from_the_start_is_an_error(cluster: Cluster) -> None:
    cluster.trouble = UNREACHABLE
    assert command("wait").exit_code == 2


def test_hold_ends_an_override_and_waits_for_the_operator(cluster: Cluster) -> None:
    cluster.gate(reason="Override")
    cluster.events[1] = lambda: cluster.closed(reason="Hold", message="spec.hold keeps it closed: stocktaking")
    result = command("hold", "-m", "stocktaking")
    assert result.exit_code == 0
    assert cluster.patches == [{"spec": {"hold": {"reason": "stocktaking"}, "override": None}}]
    assert cluster.waited == 1
    assert "keeps it closed: stocktaking" in result.stdout


def test_open_takes_the_hold_away_and_says_when_probes_keep_it_closed(cluster: Cluster) -> None:
    cluster.closed(reason="Hold")
    cluster.events[1] = cluster.closed
    result = command("open")
    assert cluster.patches == [{"spec": {"hold": None}}]
    assert result.exit_code == 1
    assert "probe probes/checkout failed" in result.stdout


def test_override_has_an_end(cluster: Cluster) -> None:
    cluster.closed()
    cluster.events[1] = lambda: cluster.gate(reason="Override")
    assert command("override", "--reason", "hotfix", "--for", "1h30m").exit_code == 0
    assert cluster.patches == [{"spec": {"override": {"reason": "hotfix", "until": "2026-03-01T13:30:00Z"}}}]


def test_who_ends_an_override_is_told_whether_the_gate_is_open_then(cluster: Cluster) -> None:
    cluster.gate(reason="Override")
    cluster.events[1] = cluster.closed
    assert command("override", "--for", "0s").exit_code == 1
    assert cluster.patches == [{"spec": {"override": None}}]
    cluster.gate(reason="Override")
    cluster.events[2] = lambda: cluster.gate(reason="Verified")
    assert command("override", "--for", "0s").exit_code == 0


def test_an_operator_that_does_not_act(cluster: Cluster) -> None:
    cluster.gate()
    result = command("hold", "--reason", "stocktaking", "--timeout", "5")
    assert result.exit_code == 3
    assert cluster.waited == 5
    assert "has not acted on it within 5s" in result.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["hold"], "hold needs --reason"),
        (["override", "--reason", "x"], "override needs --for"),
        (["override", "--for", "30m"], "override needs --reason"),
        (["override", "--reason", "x", "--for", "soon"], "is not a duration"),
        (["override", "--reason", "x", "--for", "99999999d"], "--for: 99999999d from now is after the year 9999"),
        (["wait", "--reason", "x"], "--reason is for hold and override, not for wait"),
        (["status", "--timeout", "5"], "--timeout is for hold and open and override and wait"),
        (["hold", "--reason", "x", "--notice", "5"], "--notice is for wait"),
        (["wait", "--change", ""], "--change: '' is not the name of a Change"),
        (["wait", "--change", "chg-3"], "--change: 'chg-3' is not the name of a Change"),
        (["hold", "--reason", "x", "--change", ""], "--change is for wait"),
        (["shut"], "shut"),
    ],
)
def test_what_does_not_go_together(cluster: Cluster, args: list[str], said: str) -> None:
    cluster.gate()
    result = command(*args)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert cluster.patches == []
