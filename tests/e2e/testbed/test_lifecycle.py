"""A native testbed from the first `up` to the last `down`, broken in between in every way it offers.

The tests are one story and run in this order; the machine they run on is their own.
"""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.testbed.conftest import NAME, Machine

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  nodeName: node-2
  containers: [{name: pause, image: "testbed.kubeprobe.io/pause:1"}]
"""

ASK_ETCD = """\
import httpx, ssl, sys
context = ssl.create_default_context(cafile=f"{sys.argv[1]}/ca.crt")
if sys.argv[2] == "with":
    context.load_cert_chain(f"{sys.argv[1]}/tls.crt", f"{sys.argv[1]}/tls.key")
print(httpx.get("https://10.200.0.1:2379/health", verify=context, trust_env=False).json())
"""


def eventually(what: str, look: Callable[[], bool], timeout_seconds: float = 30) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not look():
        assert time.monotonic() < deadline, f"{what}: not so after {timeout_seconds} s"
        time.sleep(0.1)


def states(machine: Machine) -> dict[str, str]:
    found: dict[str, str] = json.loads(machine.testbed("status", "-o", "json", check=False))["components"]
    return found


def pids(machine: Machine) -> dict[str, int]:
    records = (json.loads(path.read_text()) for path in (machine.state / "processes").glob("*.json"))
    return {record["spec"]["name"]: record["pid"] for record in records}


def node_ready(machine: Machine, node: str) -> str:
    path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    return machine.kubectl("get", "node", node, "-o", path)


def reaches(machine: Machine, address: str, port: int, node: str = "") -> bool:
    """Whether a connection opens, from a node's network or the host's."""
    code = f"import socket; socket.create_connection(({address!r}, {port}), 1)"
    inside = ["ip", "netns", "exec", f"{NAME}-{node}"] if node else []
    done = subprocess.run(machine.command(*inside, sys.executable, "-c", code), capture_output=True, check=False)
    return done.returncode == 0


def leftovers(machine: Machine) -> list[str]:
    """Whatever of a testbed is still there."""
    found = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/kubeprobe-testbed-{NAME}")]
    found += [line for line in machine.run("ip", "-o", "link").splitlines() if ": lo:" not in line]
    found += machine.run("ip", "netns").split()
    found += machine.run("nft", "list", "ruleset").split()
    found += [line for line in machine.run("cat", "/proc/self/mountinfo").splitlines() if NAME in line]
    found += machine.run("find", "/run/kubeprobe-testbed", "-mindepth", "1", "-not", "-name", "lock").split()
    found += machine.run("sh", "-c", "ls -A /run/containerd/s /run/containerd/runc/k8s.io 2>&- || true").split()[1:]
    found += [str(path) for path in Path("/var/lib/cni/results").glob(f"{NAME}-node-*")]
    found += [str(path) for path in machine.state_home.rglob("*") if path.is_file()]
    return found


def test_down_before_any_up_is_nothing(machine: Machine) -> None:
    assert machine.testbed("down") == ""
    assert "is not up" in machine.testbed("status", check=False)


def test_an_up_that_is_killed_half_way_is_gone_on_with(machine: Machine) -> None:
    command = machine.command(sys.executable, "-m", "testbed", "up")
    with subprocess.Popen(command, env=machine.environment, stderr=subprocess.DEVNULL) as up:
        eventually("the API server is started", lambda: "apiserver" in pids(machine), 60)
        up.send_signal(signal.SIGKILL)
    before = pids(machine)
    machine.testbed("up")
    assert set(states(machine).values()) == {"running"}
    assert len(states(machine)) == 13
    assert {name: pids(machine)[name] for name in ("etcd", "apiserver")} == {
        name: before[name] for name in ("etcd", "apiserver")
    }
    assert node_ready(machine, "node-1") == node_ready(machine, "node-2") == "True"


def test_up_twice_changes_nothing(machine: Machine) -> None:
    before = pids(machine)
    assert f"export KUBECONFIG={machine.state}/kubeconfig" in machine.testbed("up")
    assert pids(machine) == before


def test_another_testbed_beside_it_is_refused_and_told_the_ways_out(machine: Machine) -> None:
    said = machine.testbed("up", "--name", "other", check=False)
    assert f"testbed '{NAME}' has this machine's bridge" in said
    assert "--control-plane-only --name other" in said
    assert not (machine.state.parent / "other").exists()


def test_pods_run_and_the_host_reaches_service_addresses(machine: Machine) -> None:
    eventually("the host reaches one", lambda: reaches(machine, "10.96.0.1", 443))
    eventually("a node reaches one", lambda: reaches(machine, "10.96.0.1", 443, "node-2"))
    create(machine, "first")
    machine.kubectl("wait", "--for=condition=Ready", "pod/first", "--timeout=30s")


def test_up_starts_what_was_stopped_and_pods_live_on(machine: Machine) -> None:
    names = ("etcd", "scheduler", "coredns", "registry", "node-2/kubelet", "node-2/containerd")
    for name in names:
        machine.testbed("stop", name)
    assert {name for name, state in states(machine).items() if state == "stopped"} == set(names)
    machine.testbed("up")
    assert set(states(machine).values()) == {"running"}
    assert "condition met" in machine.kubectl("wait", "--for=condition=Ready", "pod/first", "--timeout=30s")


def test_a_frozen_api_server_answers_nothing_until_it_is_thawed(machine: Machine) -> None:
    machine.testbed("freeze", "apiserver")
    assert states(machine)["apiserver"] == "frozen"
    said = machine.kubectl("get", "--raw=/readyz", "--request-timeout=1s", check=False)
    machine.testbed("thaw", "apiserver")
    assert re.search("imeout|deadline exceeded", said)
    eventually("it answers", lambda: machine.kubectl("get", "--raw=/readyz", check=False) == "ok")


def test_a_node_without_kube_proxys_rules_reaches_no_service(machine: Machine) -> None:
    machine.testbed("stop", "node-2/kube-proxy", "--flush")
    assert not reaches(machine, "10.96.0.1", 443, "node-2")
    eventually("the other node reaches it", lambda: reaches(machine, "10.96.0.1", 443, "node-1"))
    machine.testbed("start", "node-2/kube-proxy")
    eventually("it reaches it again", lambda: reaches(machine, "10.96.0.1", 443, "node-2"))


def test_a_partitioned_node_is_cut_off_and_healed(machine: Machine) -> None:
    machine.testbed("partition", "node-2")
    assert not reaches(machine, "10.200.0.12", 10250)
    machine.testbed("heal", "node-2")
    eventually("the kubelet is reached", lambda: reaches(machine, "10.200.0.12", 10250))


def test_a_node_without_cni_configuration_is_not_ready(machine: Machine) -> None:
    machine.testbed("cni", "remove", "node-2")
    eventually("it is not ready", lambda: node_ready(machine, "node-2") == "False")
    machine.testbed("cni", "restore", "node-2")
    eventually("it is ready", lambda: node_ready(machine, "node-2") == "True")


def test_a_node_without_addresses_starts_no_pod(machine: Machine) -> None:
    assert "253 addresses taken" in machine.testbed("exhaust-addresses", "node-2")
    create(machine, "second")
    eventually("it says why", lambda: "no IP addresses available" in machine.kubectl("get", "events"))
    assert "253 addresses given back" in machine.testbed("restore-addresses", "node-2")
    machine.kubectl("wait", "--for=condition=Ready", "pod/second", "--timeout=60s")


def test_etcd_is_reached_with_the_secrets_certificate_and_not_without(machine: Machine, tmp_path: Path) -> None:
    assert "namespace 'nowhere' is not there" in machine.testbed("etcd-secret", "-n", "nowhere", check=False)
    machine.testbed("etcd-secret", "-n", "default")
    secret = json.loads(machine.kubectl("get", "secret", "kubeprobe-etcd-client", "-o", "json"))["data"]
    assert set(secret) == {"ca.crt", "tls.crt", "tls.key"}
    for name, value in secret.items():
        (tmp_path / name).write_bytes(base64.b64decode(value))
    assert "'health': 'true'" in machine.run(sys.executable, "-c", ASK_ETCD, str(tmp_path), "with")
    assert "certificate required" in machine.run(sys.executable, "-c", ASK_ETCD, str(tmp_path), "without", check=False)


def test_requests_are_counted_by_user_agent_in_the_audit_log(machine: Machine) -> None:
    machine.kubectl("get", "namespaces")
    lines = (machine.state / "audit" / "audit.log").read_text().splitlines()
    assert any(json.loads(line)["userAgent"].startswith("kubectl/v1.34.4") for line in lines)


def test_status_and_logs_tell_of_a_component_that_ended_by_itself(machine: Machine) -> None:
    machine.run("kill", "-9", str(pids(machine)["scheduler"]))
    eventually("it is dead", lambda: states(machine)["scheduler"] == "dead")
    assert machine.testbed("logs", "scheduler", "--tail", "3").count("\n") == 3
    machine.testbed("start", "scheduler")
    assert states(machine)["scheduler"] == "running"


def test_up_goes_on_when_everything_was_killed(machine: Machine) -> None:
    for pid in pids(machine).values():
        machine.run("kill", "-9", str(pid))
    eventually("everything is dead", lambda: set(states(machine).values()) == {"dead"})
    machine.testbed("up")
    assert set(states(machine).values()) == {"running"}


def test_down_leaves_nothing(machine: Machine) -> None:
    machine.testbed("down")
    assert leftovers(machine) == []
    machine.testbed("down")


@pytest.mark.slow
def test_down_leaves_nothing_even_when_everything_died_and_the_records_are_lost(machine: Machine) -> None:
    machine.testbed("up")
    create(machine, "third")
    machine.kubectl("wait", "--for=condition=Ready", "pod/third", "--timeout=30s")
    for pid in pids(machine).values():
        machine.run("kill", "-9", str(pid))
    for path in (machine.state / "processes").iterdir():
        path.unlink()
    machine.testbed("down")
    assert leftovers(machine) == []


def create(machine: Machine, name: str) -> None:
    path = machine.state_home / "pod.yaml"
    path.write_text(POD.replace("NAME", name))
    machine.kubectl("apply", "-f", str(path))
    path.unlink()
