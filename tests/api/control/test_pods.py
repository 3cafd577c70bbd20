"""The two other sources of an outcome: what a kubelet says of the pod, and how far a silent pod came."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.api.control.conftest import Operator
from tests.api.control.pods import ended
from tests.lab.kubectl import eventually

SOON_SECONDS = 30


def test_the_termination_message_is_a_report(operator: Operator, namespace: str) -> None:
    operator.template("terminal")
    operator.config("terminal", namespace)
    run, _ = operator.run("terminal", namespace)
    operator.kubelet(run, namespace, **ended(1, json.dumps({"ok": False, "errors": ["no route to etcd-0"]})))
    status = operator.completed(run, namespace)
    assert (status["verdict"], status["source"], status["errors"]) == (
        "Failed", "TerminationMessage", ["no route to etcd-0"],
    )  # fmt: skip
    assert (
        operator.report(operator.token(run, namespace), {"ok": False, "errors": ["no route to etcd-0"]}).status_code
        == 200
    )


def test_the_exit_code_is_an_outcome(operator: Operator, namespace: str) -> None:
    operator.template("codes")
    operator.config("codes", namespace)
    passed, _ = operator.run("codes", namespace)
    failed, _ = operator.run("codes", namespace)
    operator.kubelet(passed, namespace, **ended(0))
    operator.kubelet(failed, namespace, **ended(3, "segfault in libfoo"))
    assert operator.completed(passed, namespace)["verdict"] == "Passed"
    status = operator.completed(failed, namespace)
    assert (status["verdict"], status["source"]) == ("Failed", "ExitCode")
    assert "code 3: segfault in libfoo" in status["message"]


def test_silence_is_told_by_the_stage_and_judged_by_the_template(operator: Operator, namespace: str) -> None:
    operator.template("lifecycle", timeout="1s", deliveryFailure="Failed")
    operator.config("lifecycle", namespace)
    run, _ = operator.run("lifecycle", namespace)
    status = operator.completed(run, namespace)
    assert (status["verdict"], status["stage"], status["reason"]) == ("Failed", "NotScheduled", "SchedulerSilent")
    assert "kube-scheduler" in status["message"]


def test_a_refused_pod_is_told_in_the_servers_words(operator: Operator, namespace: str) -> None:
    operator.template("refused", timeout="2s", deliveryFailure="Failed")
    operator.config("refused", namespace, podOverrides={"labels": {"team": "not/a/label"}})
    operator.kubectl.apply(
        {
            "apiVersion": "kubeprobe.io/v1alpha1",
            "kind": "ProbeRun",
            "metadata": {"name": "refused-1", "namespace": namespace},
            "spec": {"configRef": {"name": "refused"}},
        }
    )
    status = operator.completed("refused-1", namespace)
    assert (status["verdict"], status["stage"], status["reason"]) == ("Unknown", "NotCreated", "InvalidPod")
    assert "not/a/label" in status["message"]


def test_an_ad_hoc_run_needs_no_config(operator: Operator, namespace: str) -> None:
    operator.template("ad-hoc", params={"type": "object", "properties": {"host": {"type": "string"}}})
    operator.kubectl.apply(
        {
            "apiVersion": "kubeprobe.io/v1alpha1",
            "kind": "ProbeRun",
            "metadata": {"name": "one-shot", "namespace": namespace},
            "spec": {"templateRef": {"name": "ad-hoc"}, "params": {"host": "db-0"}, "timeout": "30s"},
        }
    )
    pod = eventually("its pod", lambda: operator.kubectl.get("pod", "one-shot", namespace), SOON_SECONDS)
    environment = {one["name"]: one.get("value") for one in pod["spec"]["containers"][0]["env"]}
    assert (environment["PARAM_HOST"], json.loads(environment["KUBEPROBE_PARAMS"])) == ("db-0", {"host": "db-0"})
    operator.kubelet("one-shot", namespace, **ended(0))
    assert operator.completed("one-shot", namespace)["verdict"] == "Passed"


def test_a_run_of_nothing_is_told_so(operator: Operator, namespace: str) -> None:
    operator.kubectl.apply(
        {
            "apiVersion": "kubeprobe.io/v1alpha1",
            "kind": "ProbeRun",
            "metadata": {"name": "nothing", "namespace": namespace},
            "spec": {"configRef": {"name": "no-such-config"}},
        }
    )
    status = operator.completed("nothing", namespace)
    assert (status["verdict"], status["reason"]) == ("Unknown", "ConfigNotFound")
    assert "no-such-config" in status["message"]


def test_a_manual_run_belongs_to_its_config(operator: Operator, namespace: str) -> None:
    operator.template("owned")
    operator.config("owned", namespace)
    run, _ = operator.run("owned", namespace)
    config = operator.kubectl.get("probeconfig", "owned", namespace) or {}
    found = operator.kubectl.get("proberun", run, namespace) or {}
    assert [owner["uid"] for owner in found["metadata"]["ownerReferences"]] == [config["metadata"]["uid"]]


def test_a_template_that_is_corrected_lets_its_configs_work(operator: Operator, namespace: str) -> None:
    operator.config("late", namespace)

    def reason() -> str:
        status = (operator.kubectl.get("probeconfig", "late", namespace) or {}).get("status", {})
        return str((status.get("conditions") or [{}])[0].get("reason"))

    eventually("TemplateNotFound", lambda: reason() == "TemplateNotFound", SOON_SECONDS)
    operator.template("late")
    eventually("Accepted", lambda: reason() == "Accepted", SOON_SECONDS)
    operator.kubectl("delete", "probetemplate", "late")
    eventually("TemplateNotFound", lambda: reason() == "TemplateNotFound", SOON_SECONDS)


def test_the_command_says_what_is_wrong_with_a_config_that_is_not_there(operator: Operator) -> None:
    command = [
        sys.executable,
        "-m",
        "kubeprobe.cli",
        "run",
        "no-such",
        "--kubeconfig",
        str(operator.kubectl.kubeconfig),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "no ProbeConfig 'no-such'" in done.stderr
