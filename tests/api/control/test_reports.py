"""What comes in as a report, with real tokens of a real API server: each sender gets the answer that is due."""

from __future__ import annotations

import httpx

from tests.api.control.conftest import Operator
from tests.lab.kubectl import eventually

GOOD = {"ok": True, "steps": [{"name": "put", "count": 2, "ok": 2, "seconds": {"p50": 0.1, "p99": 0.2, "max": 0.2}}]}
BAD = {"ok": False, "errors": ["etcd-0: put: connection refused"]}
SOON_SECONDS = 30


def test_a_report_is_durable_when_it_is_answered_and_the_same_again_changes_nothing(
    operator: Operator, namespace: str
) -> None:
    operator.template("reporting")
    operator.config("reporting", namespace)
    run, pod = operator.run("reporting", namespace)
    token = operator.token(run, namespace)
    assert operator.report(token, GOOD).status_code == 200
    record = (operator.kubectl.get("proberun", run, namespace) or {})["status"]
    assert (record["verdict"], record["source"], record["podUID"]) == ("Passed", "Report", pod["metadata"]["uid"])
    assert record["steps"][0]["name"] == "put"
    eventually("its pod is deleted", lambda: operator.kubectl.get("pod", run, namespace) is None, SOON_SECONDS)
    assert operator.report(token, GOOD).status_code in (200, 401)  # the token dies with its pod where that is checked
    assert operator.report(token, BAD).status_code in (409, 401)
    assert (operator.kubectl.get("proberun", run, namespace) or {})["status"] == record


def test_the_second_of_two_reports_is_refused_while_the_pod_is_there(operator: Operator, namespace: str) -> None:
    operator.template("twice")
    operator.config("twice", namespace)
    run, _ = operator.run("twice", namespace)
    token = operator.token(run, namespace)
    codes = [operator.report(token, body).status_code for body in (BAD, BAD, GOOD)]
    assert codes == [200, 200, 409]
    assert operator.completed(run, namespace)["errors"] == BAD["errors"]


def test_another_pods_token_speaks_for_that_other_pod_only(operator: Operator, namespace: str) -> None:
    operator.template("neighbours")
    operator.config("neighbours", namespace)
    mine, _ = operator.run("neighbours", namespace)
    theirs, _ = operator.run("neighbours", namespace)
    assert operator.report(operator.token(theirs, namespace), BAD).status_code == 200
    assert operator.completed(theirs, namespace)["verdict"] == "Failed"
    assert (operator.kubectl.get("proberun", mine, namespace) or {})["status"]["phase"] == "Pending"


def test_a_pod_that_is_no_probe_is_refused(operator: Operator, namespace: str) -> None:
    operator.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "stranger", "namespace": namespace},
            "spec": {"serviceAccountName": "default", "containers": [{"name": "one", "image": "none"}]},
        }
    )
    answer = operator.report(operator.token("stranger", namespace), GOOD)
    assert answer.status_code == 403
    assert "not a probe" in answer.json()["error"]


def test_bad_tokens_are_refused(operator: Operator, namespace: str) -> None:
    operator.template("guarded")
    operator.config("guarded", namespace)
    run, _ = operator.run("guarded", namespace)
    good = operator.token(run, namespace)
    other_audience = operator.token(run, namespace, audience="https://kubernetes.default.svc.cluster.local")
    unbound = operator.kubectl("create", "token", "default", "-n", namespace, "--audience", "kubeprobe").strip()
    head, claims, _ = good.split(".")
    for token in (None, "nonsense", other_audience, unbound, f"{head}.{claims}.AAAA"):
        answer = operator.report(token, GOOD)
        assert answer.status_code == 401, (token, answer.text)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert operator.report(good, GOOD).status_code == 200


def test_bad_bodies_are_refused_and_the_good_one_still_counts(operator: Operator, namespace: str) -> None:
    operator.template("sloppy")
    operator.config("sloppy", namespace)
    run, _ = operator.run("sloppy", namespace)
    token = operator.token(run, namespace)
    big = b'{"ok": false, "errors": ["' + b"x" * 2_000_000 + b'"]}'
    expected = {
        b"": 400,
        b"\xff\xfe{": 400,
        b"{": 400,
        b'{"ok": "yes"}': 400,
        b'{"ok": true, "extra": 1}': 400,
        big: 413,
    }
    for body, code in expected.items():
        answer = operator.report(token, body)
        assert answer.status_code == code, (body[:40], answer.text)
        assert answer.json()["error"]
    assert operator.report(token, GOOD).status_code == 200


def test_a_report_after_the_deadline_is_late(operator: Operator, namespace: str) -> None:
    operator.template("tardy", timeout="1s")
    operator.config("tardy", namespace)
    run, _ = operator.run("tardy", namespace)
    token = operator.token(run, namespace)
    status = operator.completed(run, namespace)
    assert (status["verdict"], status["stage"]) == ("Unknown", "NotScheduled")
    assert operator.report(token, GOOD).status_code in (403, 410)  # its pod, which never ran, is gone or going


def test_a_hand_written_lie_to_the_result_is_put_right(operator: Operator, namespace: str) -> None:
    operator.template("truthful")
    operator.config("truthful", namespace)
    run, _ = operator.run("truthful", namespace)
    operator.report(operator.token(run, namespace), GOOD)

    def verdict() -> str:
        return str((operator.kubectl.get("proberesult", "truthful", namespace) or {}).get("status", {}).get("verdict"))

    eventually("Passed", lambda: verdict() == "Passed", SOON_SECONDS)
    operator.kubectl(
        "patch", "proberesult", "truthful", "-n", namespace, "--subresource=status", "--type=merge",
        "-p", '{"status": {"verdict": "Failed"}}',
    )  # fmt: skip
    eventually("Passed again", lambda: verdict() == "Passed", SOON_SECONDS)
    operator.kubectl("delete", "proberesult", "truthful", "-n", namespace)
    eventually("back again", lambda: verdict() == "Passed", SOON_SECONDS)


def test_the_documents_are_served(operator: Operator) -> None:
    assert "[+]" in httpx.get(f"{operator.url}/healthz").text
    assert "kubeprobe_runs_total" in httpx.get(f"{operator.url}/metrics").text
    document = httpx.get(f"{operator.url}/openapi.json").json()
    assert set(document["paths"]["/v1/report"]["post"]["responses"]) >= {
        "200",
        "400",
        "401",
        "403",
        "409",
        "410",
        "413",
        "503",
    }
    assert httpx.get(f"{operator.url}/readyz").status_code == 200
