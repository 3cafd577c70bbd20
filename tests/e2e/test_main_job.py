"""From `kubectl apply` of a ProbeConfig to a true verdict in `kubectl get proberesults`, and what users get wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.lab.kubectl import KubectlError, eventually
from tests.lab.lab import Lab

SOON_SECONDS = 150
KEPT = 2


@pytest.fixture(scope="module")
def namespace(lab: Lab) -> Iterator[str]:
    """A namespace for these tests."""
    name = f"jobs-{uuid.uuid4().hex[:6]}"
    lab.namespace(name)
    yield name
    lab.kubectl.delete("namespace", name, "", "--wait=false")


def template(lab: Lab, name: str, script: str, **spec: Any) -> None:
    """Register a probe that is a few lines of Python."""
    lab.kubectl.apply(
        {
            "apiVersion": "kubeprobe.io/v1alpha1",
            "kind": "ProbeTemplate",
            "metadata": {"name": name},
            "spec": {
                "image": lab.images.reference("probes"),
                "command": ["python", "-c", script],
                "timeout": "90s",
                **spec,
            },
        }
    )


def on_demand(lab: Lab, namespace: str, name: str, **spec: Any) -> None:
    """A config that runs when asked."""
    lab.config(name, name, namespace, mode="OnDemand", **spec)


def run(lab: Lab, namespace: str, config: str, run_name: str = "") -> dict[str, Any]:
    """Run a config by hand and wait for its record."""
    name = run_name or f"{config}-{uuid.uuid4().hex[:5]}"
    lab.kubectl.apply(
        {
            "apiVersion": "kubeprobe.io/v1alpha1",
            "kind": "ProbeRun",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"configRef": {"name": config}},
        }
    )
    lab.kubectl(
        "wait", "--for=condition=Completed", f"proberun/{name}", "-n", namespace, "--timeout=120s", timeout_seconds=130
    )
    found = lab.kubectl.get("proberun", name, namespace)
    assert found is not None
    status: dict[str, Any] = found["status"]
    return status


SUCCEED = "from probe_sdk import ReportSuccess; ReportSuccess()"
FAIL = (
    "import sys; from probe_sdk import ReportFailure; "
    "ReportFailure(['disk is on fire', 'and so is the rack']); sys.exit(1)"
)


def test_a_passing_probe_passes_and_leaves_no_pod(lab: Lab, namespace: str) -> None:
    template(lab, "succeeds", SUCCEED)
    of_it = ("-l", "kubeprobe.io/config=succeeds")
    lab.config("succeeds", "succeeds", namespace, schedule={"every": "3s"}, history={"passed": KEPT})
    status = lab.verdict("succeeds", "Passed", SOON_SECONDS, namespace)
    assert status["conditions"][0]["status"] == "True"
    eventually(
        "no pod of a passed run stays",
        lambda: not [
            pod for pod in lab.kubectl.list("pods", namespace, *of_it)
            if pod["status"]["phase"] == "Succeeded"
        ] or None,
        SOON_SECONDS,
    )  # fmt: skip
    seen = set[str]()

    def runs() -> int:
        found = {one["metadata"]["name"] for one in lab.kubectl.list("proberuns", namespace, *of_it)}
        seen.update(found)
        return len(found)

    eventually("there were more runs than history may keep", lambda: runs() and len(seen) > KEPT, SOON_SECONDS)
    eventually("history is held to its limit", lambda: runs() <= KEPT, SOON_SECONDS)
    lab.kubectl.delete("probeconfig", "succeeds", namespace)
    eventually(
        "all goes with its config",
        lambda: (
            not lab.kubectl.list("proberuns", namespace, *of_it)
            and lab.kubectl.get("proberesult", "succeeds", namespace) is None
        ),
        SOON_SECONDS,
    )


def test_a_failure_is_told_in_the_probes_own_words(lab: Lab, namespace: str) -> None:
    template(lab, "fails", FAIL)
    on_demand(lab, namespace, "fails")
    status = run(lab, namespace, "fails")
    assert status["verdict"] == "Failed"
    assert status["errors"] == ["disk is on fire", "and so is the rack"]
    assert "disk is on fire" in lab.verdict("fails", "Failed", SOON_SECONDS, namespace)["message"]


def test_an_image_that_knows_nothing_of_us_is_a_probe_too(lab: Lab, namespace: str) -> None:
    template(lab, "foreign", "import sys; print('third time unlucky'); sys.exit(3)")
    on_demand(lab, namespace, "foreign")
    status = run(lab, namespace, "foreign")
    assert (status["verdict"], status["source"]) == ("Failed", "ExitCode")
    assert "exited with code 3" in status["message"]
    assert "third time unlucky" in status["message"]
    template(lab, "foreign", "print('all is well')")
    assert run(lab, namespace, "foreign")["verdict"] == "Passed"


def test_the_termination_message_arrives_when_the_way_home_is_broken(lab: Lab, namespace: str) -> None:
    script = "import os; os.environ['KUBEPROBE_URL'] = 'http://127.0.0.1:1'; " + FAIL
    template(lab, "cut-off", script)
    on_demand(lab, namespace, "cut-off")
    status = run(lab, namespace, "cut-off")
    assert (status["verdict"], status["source"]) == ("Failed", "TerminationMessage")
    assert status["errors"][0] == "disk is on fire"


def test_reporting_twice_keeps_the_first_word(lab: Lab, namespace: str) -> None:
    script = (
        "import json, os, urllib.request, urllib.error\n"
        "def post(body):\n"
        "    token = open(os.environ['KUBEPROBE_TOKEN_FILE']).read()\n"
        "    request = urllib.request.Request(os.environ['KUBEPROBE_URL'] + '/v1/report', json.dumps(body).encode(),\n"
        "                                     {'Authorization': 'Bearer ' + token})\n"
        "    try: return urllib.request.urlopen(request).status\n"
        "    except urllib.error.HTTPError as error: return error.code\n"
        "first = {'ok': False, 'errors': ['the first word']}\n"
        "codes = [post(first), post(first), post({'ok': True})]\n"
        "print(codes, flush=True)\n"
    )
    template(lab, "talkative", script)
    on_demand(lab, namespace, "talkative")
    name = f"talkative-{uuid.uuid4().hex[:5]}"
    status = run(lab, namespace, "talkative", name)
    assert (status["verdict"], status["source"], status["errors"]) == ("Failed", "Report", ["the first word"])
    log = eventually("the log", lambda: lab.kubectl("logs", name, "-n", namespace), SOON_SECONDS)
    assert "[200, 200, 409]" in log


def test_an_unpullable_image_is_told_by_its_stage(lab: Lab, namespace: str) -> None:
    template(lab, "unpullable", "", image=f"{lab.testbed.registry}/nothing:here", timeout="10s")
    on_demand(lab, namespace, "unpullable")
    status = run(lab, namespace, "unpullable")
    assert (status["verdict"], status["stage"]) == ("Unknown", "NoImage")
    assert "nothing:here" in status["message"]
    assert "Failed to pull image" in status["message"]


def test_a_probe_that_hangs_has_failed(lab: Lab, namespace: str) -> None:
    template(lab, "hangs", "import time; time.sleep(600)", timeout="4s")
    on_demand(lab, namespace, "hangs")
    status = run(lab, namespace, "hangs")
    assert (status["verdict"], status["stage"]) == ("Failed", "StartedAndSilent")


def test_a_pod_deleted_by_hand_is_unknown(lab: Lab, namespace: str) -> None:
    template(lab, "deleted", "import time; time.sleep(600)", timeout="60s")
    on_demand(lab, namespace, "deleted")
    name = f"deleted-{uuid.uuid4().hex[:5]}"
    lab.kubectl.apply(
        {
            "apiVersion": "kubeprobe.io/v1alpha1",
            "kind": "ProbeRun",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"configRef": {"name": "deleted"}},
        }
    )
    eventually(
        "it runs",
        lambda: (lab.kubectl.get("pod", name, namespace) or {}).get("status", {}).get("phase") == "Running" or None,
        SOON_SECONDS,
    )
    lab.kubectl.delete("pod", name, namespace, "--grace-period=1")
    lab.kubectl(
        "wait", "--for=condition=Completed", f"proberun/{name}", "-n", namespace, "--timeout=60s", timeout_seconds=70
    )
    status = (lab.kubectl.get("proberun", name, namespace) or {})["status"]
    assert (status["verdict"], status["reason"]) == ("Unknown", "PodDeleted")


def test_a_namespace_deleted_in_mid_run_leaves_the_others_alone(lab: Lab, namespace: str) -> None:
    doomed = f"doomed-{uuid.uuid4().hex[:6]}"
    lab.namespace(doomed)
    template(lab, "steady", SUCCEED)
    template(lab, "slow", "import time; time.sleep(600)", timeout="60s")
    lab.config("steady", "steady", namespace, schedule={"every": "5s"})
    lab.config("slow", "slow", doomed, schedule={"every": "60s"})
    eventually("it runs", lambda: lab.kubectl.list("pods", doomed), SOON_SECONDS)
    lab.kubectl.delete("namespace", doomed)
    before = lab.verdict("steady", "Passed", SOON_SECONDS, namespace)["lastRun"]["finishedAt"]
    eventually(
        "the other probe goes on",
        lambda: any(
            run["status"].get("finishedAt", "") > before
            for run in lab.kubectl.list("proberuns", namespace, "-l", "kubeprobe.io/config=steady")
        ),
        SOON_SECONDS,
    )
    lab.kubectl.delete("probeconfig", "steady", namespace)


def test_answers_and_records_edited_by_hand_are_put_right_or_refused(lab: Lab, namespace: str) -> None:
    template(lab, "honest", SUCCEED)
    on_demand(lab, namespace, "honest")
    name = f"honest-{uuid.uuid4().hex[:5]}"
    assert run(lab, namespace, "honest", name)["verdict"] == "Passed"
    lab.verdict("honest", "Passed", SOON_SECONDS, namespace)
    patch = json.dumps({"status": {"verdict": "Failed", "message": "by hand"}})
    args = ("-n", namespace, "--subresource=status", "--type=merge", "-p", patch)
    lab.kubectl("patch", "proberesult", "honest", *args)
    lab.verdict("honest", "Passed", SOON_SECONDS, namespace)
    with pytest.raises(KubectlError, match="record"):
        lab.kubectl("patch", "proberun", name, *args)


@pytest.mark.parametrize(
    ("spec", "reason", "text"),
    [
        ({"templateRef": {"name": "no-such"}}, "TemplateNotFound", "no-such"),
        ({"templateRef": {"name": "fenced"}}, "TemplateNotAllowed", "allowedNamespaces"),
        ({"templateRef": {"name": "strict"}, "params": {"count": "many"}}, "InvalidParams", "count"),
        ({"templateRef": {"name": "strict"}, "params": {"cuont": 1}}, "InvalidParams", "cuont"),
    ],
)
def test_a_mistake_is_told_on_the_object_and_by_an_event(
    lab: Lab, namespace: str, spec: dict[str, Any], reason: str, text: str
) -> None:
    template(lab, "fenced", SUCCEED, allowedNamespaces={"matchLabels": {"team": "nobody"}})
    template(lab, "strict", SUCCEED, params={"type": "object", "properties": {"count": {"type": "integer"}}})
    name = f"mistake-{uuid.uuid4().hex[:6]}"
    body = {
        "apiVersion": "kubeprobe.io/v1alpha1",
        "kind": "ProbeConfig",
        "metadata": {"name": name, "namespace": namespace},
    }
    lab.kubectl.apply({**body, "spec": {"mode": "OnDemand", **spec}})

    def told() -> bool:
        found = lab.kubectl.get("probeconfig", name, namespace) or {}
        conditions = found.get("status", {}).get("conditions", [])
        return any(one["reason"] == reason and text in one["message"] for one in conditions)

    eventually(reason, told, SOON_SECONDS)
    eventually(
        "an event",
        lambda: any(
            event["reason"] == reason
            for event in lab.kubectl.list("events", namespace, "--field-selector", f"involvedObject.name={name}")
        ),
        SOON_SECONDS,
    )
    lab.kubectl.delete("probeconfig", name, namespace)


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        ({"every": "-5s"}, "every"),
        ({"every": "5 parsecs"}, "every"),
        ({"every": "5s", "cron": "* * * * *"}, "exactly one"),
    ],
)
def test_a_schedule_that_is_none_is_refused_by_the_api_server(
    lab: Lab, namespace: str, schedule: dict[str, str], text: str
) -> None:
    with pytest.raises(KubectlError, match=text):
        lab.config("refused", "strict", namespace, schedule=schedule)


def test_the_command_runs_a_config_and_its_exit_code_is_the_verdict(lab: Lab, namespace: str) -> None:
    template(lab, "asked", FAIL)
    on_demand(lab, namespace, "asked")
    command = [sys.executable, "-m", "kubeprobe.cli", "run", "asked", "-n", namespace, "--wait"]
    done = subprocess.run(
        [*command, "--kubeconfig", str(lab.testbed.kubeconfig)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "disk is on fire" in done.stdout
