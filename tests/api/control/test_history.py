"""What piles up is let go, what changes is told: old runs, Events, metrics."""

from __future__ import annotations

import httpx

from tests.api.control.conftest import Operator
from tests.api.control.pods import ended
from tests.lab.kubectl import eventually

SOON_SECONDS = 30
BATCH_SECONDS = 90
"""Old runs go in batches, every half a minute."""


def test_the_history_keeps_what_it_is_told_to(operator: Operator, namespace: str) -> None:
    operator.template("history")
    operator.config("history", namespace, history={"passed": 1, "failed": 2})
    runs = []
    for code in (0, 1, 0, 1, 1, 0):
        run, _ = operator.run("history", namespace)
        operator.kubelet(run, namespace, **ended(code))
        operator.completed(run, namespace)
        runs.append(run)
    kept = {runs[3], runs[4], runs[5]}

    def names() -> set[str]:
        return {one["metadata"]["name"] for one in operator.kubectl.list("proberuns", namespace)}

    eventually("only the newest are left", lambda: names() == kept, BATCH_SECONDS, names)


def test_a_turned_verdict_is_an_event_and_an_unchanged_one_is_none(operator: Operator, namespace: str) -> None:
    operator.template("told")
    operator.config("told", namespace)
    for code in (0, 0, 1, 1):
        run, _ = operator.run("told", namespace)
        operator.kubelet(run, namespace, **ended(code, "boom" if code else ""))
        operator.completed(run, namespace)

    def told() -> list[tuple[str, str]]:
        events = operator.kubectl.list("events", namespace)
        about = [one for one in events if one["involvedObject"]["name"] == "told"]
        return sorted((one["type"], one["reason"]) for one in about)

    wanted = [("Normal", "VerdictPassed"), ("Warning", "VerdictFailed")]
    eventually("one event for each turn", lambda: told() == wanted, SOON_SECONDS, told)


def test_metrics_tell_every_verdict_run_and_request(operator: Operator, namespace: str) -> None:
    operator.template("counted")
    operator.config("counted", namespace, severity="Critical")
    run, _ = operator.run("counted", namespace)
    operator.kubelet(run, namespace, **ended(1))
    operator.completed(run, namespace)
    series = f'kubeprobe_verdict{{config="counted",namespace="{namespace}",severity="Critical",verdict="Failed"}} 1.0'

    def metrics() -> str:
        return httpx.get(f"{operator.url}/metrics", timeout=10).text

    eventually("the verdict is a series", lambda: series in metrics(), SOON_SECONDS, metrics)
    assert 'kubeprobe_runs_total{source="ExitCode",verdict="Failed"}' in metrics()
    assert 'kubeprobe_api_requests_total{code="201",verb="POST"}' in metrics()
