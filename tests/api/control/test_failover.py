"""Two replicas against a real API server: whatever befalls the leader, the other one goes on and repeats nothing."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.lab.kubectl import eventually
from tests.lab.process import OperatorProcess
from tests.lab.replicas import LEASE, Replicas, identity, two_replicas
from tests.lab.stand_in import Noted, stand_in

SOON_SECONDS = 30
TAKEN_OVER_SECONDS = 10
"""A lease's four seconds, and what a busy machine adds."""
HANDED_OVER_SECONDS = 3
CONFIGS = 4
EVERY = "2s"
FROZEN_SECONDS = 8.0
FREEZES = 4


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with two_replicas(tmp_path_factory.mktemp("replicas")) as replicas:
        yield replicas


@pytest.fixture
def namespace(replicas: Replicas) -> Iterator[str]:
    """A namespace whose configs are due all the time."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    for replica in replicas.both:
        eventually("ready", lambda replica=replica: "[+] views" in replica.says("/readyz"), SOON_SECONDS)  # type: ignore[misc]
    replicas.prepare(name, CONFIGS, EVERY)
    yield name
    replicas.kubectl("delete", "probeconfigs", "--all", "-n", name)
    replicas.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def noted(replicas: Replicas, namespace: str) -> Iterator[Noted]:
    with stand_in(replicas.plane.kubeconfig, namespace, replicas.urls) as noted:
        eventually("probes go", lambda: len(noted.acknowledged) >= CONFIGS, SOON_SECONDS, lambda: noted)
        yield noted


def goes_on(noted: Noted, seconds: float) -> None:
    """Wait until runs complete that had not begun yet."""
    before = set(noted.pods)
    eventually("runs go on", lambda: len(noted.acknowledged - before) >= CONFIGS, seconds, lambda: noted.lost)


def nothing_twice(replicas: Replicas, namespace: str, noted: Noted) -> None:
    replicas.finish(namespace)
    eventually("every probe was heard", lambda: set(noted.pods) == noted.acknowledged, SOON_SECONDS, lambda: noted.lost)
    assert (noted.repeated, noted.lost) == ([], {})
    results = replicas.kubectl.list("proberesults", namespace)
    assert {result["status"]["verdict"] for result in results} == {"Passed"}


def holder(replicas: Replicas) -> str:
    return str((replicas.kubectl.get("lease", LEASE, "default") or {})["spec"].get("holderIdentity"))


def test_one_leads_the_other_stands_by_and_tells_so(replicas: Replicas, noted: Noted) -> None:
    leader = replicas.leader()
    standby = replicas.other(leader)
    assert holder(replicas) == identity(leader)
    assert f"stands by; {identity(leader)} leads" in standby.says("/readyz")
    assert "[+] election" in standby.says("/healthz")
    assert "kubeprobe_leader 1.0" in leader.says("/metrics")
    assert "kubeprobe_leader 0.0" in standby.says("/metrics")
    goes_on(noted, SOON_SECONDS)
    assert not [write for write in replicas.writes() if write.identity == identity(standby)]


def test_a_killed_leader_is_followed_and_nothing_is_repeated(replicas: Replicas, namespace: str, noted: Noted) -> None:
    leader = replicas.leader()
    leader.kill()
    goes_on(noted, TAKEN_OVER_SECONDS)
    leader.start()
    nothing_twice(replicas, namespace, noted)
    assert replicas.leader() is replicas.other(leader)


def test_a_thawed_leader_writes_nothing_and_can_lead_again(replicas: Replicas, namespace: str, noted: Noted) -> None:
    # More than once, since what it was about to do when it was frozen is another thing each time.
    for _ in range(FREEZES):
        old = replicas.leader()
        name, thawed_at = identity(old), frozen_for_a_while(old, noted)
        eventually("it stands by", lambda old=old: "stands by" in old.says("/readyz"), SOON_SECONDS, replicas.roles)  # type: ignore[misc]
        goes_on(noted, SOON_SECONDS)
        late = [write for write in replicas.writes(since=thawed_at) if write.identity == name]
        # What was on its way already cannot be called back, but it is refused as outdated.
        assert [write for write in late if not write.refused] == []
    new = replicas.other(old)
    new.stop()
    assert replicas.leader(old) is old
    goes_on(noted, TAKEN_OVER_SECONDS)
    new.start()
    nothing_twice(replicas, namespace, noted)


def frozen_for_a_while(leader: OperatorProcess, noted: Noted) -> datetime:
    """Freeze a leader until the other one is at work; when it was thawed."""
    leader.freeze()
    goes_on(noted, TAKEN_OVER_SECONDS)
    thawed_at = datetime.now(UTC)
    leader.thaw()
    return thawed_at


def test_a_leader_that_is_told_to_end_hands_over_at_once(replicas: Replicas, namespace: str, noted: Noted) -> None:
    old = replicas.leader()
    new = replicas.other(old)
    ending_at = datetime.now(UTC)
    old.stop()
    replicas.leader(new)
    goes_on(noted, TAKEN_OVER_SECONDS)
    first = next(write for write in replicas.writes() if write.at > ending_at and write.identity == identity(new))
    assert first.at - ending_at < timedelta(seconds=HANDED_OVER_SECONDS)
    old.start()
    nothing_twice(replicas, namespace, noted)


@pytest.mark.parametrize("component", ["etcd", "apiserver"])
def test_a_frozen_control_plane_ends_no_election(replicas: Replicas, noted: Noted, component: str) -> None:
    replicas.leader()
    replicas.plane.freeze(component)
    try:
        eventually("nobody leads", lambda: not any(map(leads, replicas.both)), SOON_SECONDS, replicas.roles)
        time.sleep(FROZEN_SECONDS)
    finally:
        replicas.plane.thaw(component)
    replicas.leader()
    goes_on(noted, SOON_SECONDS)
    assert Counter(map(leads, replicas.both)) == {True: 1, False: 1}


def leads(replica: OperatorProcess) -> bool:
    return "kubeprobe_leader 1.0" in replica.says("/metrics")
