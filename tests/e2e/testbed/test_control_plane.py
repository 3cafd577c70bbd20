"""The control plane alone: several beside each other, and none that outlives its test."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from testbed import ControlPlane, Testbed
from testbed.machine import wait_until
from testbed.process import State, Supervisor
from testbed.providers import ProviderKind


def get(plane: ControlPlane, path: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {plane.token}"}
    return httpx.get(f"{plane.api_url}{path}", headers=headers, verify=str(plane.ca), trust_env=False)


@pytest.mark.filterwarnings("ignore:`verify=<str>` is deprecated")
def test_several_stand_beside_each_other_and_know_nothing_of_each_other(tmp_path: Path) -> None:
    with ExitStack() as stack:
        audit = tmp_path / "audit.log"
        one = stack.enter_context(ControlPlane.start(tmp_path / "one", audit_log=audit))
        two = stack.enter_context(ControlPlane.start(tmp_path / "two"))
        assert one.api_url != two.api_url
        assert "keys" in get(one, "/openid/v1/jwks").json()
        kubectl = [str(one.bin_dir / "kubectl"), "--kubeconfig", str(one.kubeconfig)]
        subprocess.run([*kubectl, "create", "namespace", "mine"], check=True, capture_output=True)
        token = [*kubectl, "create", "token", "default", "-n", "mine", "--audience", "kubeprobe"]
        subprocess.run([*kubectl, "create", "serviceaccount", "default", "-n", "mine"], check=True, capture_output=True)
        assert subprocess.run(token, check=True, capture_output=True, text=True).stdout.count(".") == 2
        assert get(two, "/api/v1/namespaces/mine").status_code == 404
        assert '"verb":"create"' in audit.read_text()
        one.stop("etcd")
        assert get(one, "/readyz").status_code == 500
        one.restart("etcd")
        wait_until(lambda: get(one, "/readyz").status_code == 200, "it is ready again", timeout_seconds=30)
        supervisor = one.supervisor
    assert {supervisor.state(name) for name in supervisor.names()} == {State.STOPPED}


def test_a_killed_test_session_leaves_no_api_server_behind(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, testbed\n"
        "with testbed.ControlPlane.start(pathlib.Path(sys.argv[1])):\n"
        "    print('up', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    argv = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == "up\n"
        session.send_signal(signal.SIGKILL)
    supervisor = Supervisor(tmp_path / "processes", tmp_path / "logs")
    assert supervisor.names() == ["apiserver", "etcd"]
    for name in supervisor.names():
        wait_until(lambda name=name: supervisor.state(name) is State.STOPPED, f"{name} is ended", timeout_seconds=20)  # type: ignore[misc]


def test_as_a_testbed_it_stays_until_it_is_taken_down(tmp_path: Path) -> None:
    state = tmp_path / "state"
    bed = Testbed.open("alone", state)
    bed.up(provider=ProviderKind.CONTROL_PLANE)
    url = bed.api_url
    bed.up()
    assert bed.api_url == url
    assert bed.components() == {"apiserver": State.RUNNING, "etcd": State.RUNNING}
    bed.down()
    bed.down()
    assert not state.exists()
