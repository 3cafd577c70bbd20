"""etcd-crud against a real etcd: whole, stopped, frozen, slow, full, without a leader, or with other certificates."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from etcd_crud.probe import Params, check, probe
from probe_sdk.resident.account import Verdict
from probe_sdk.wire import ENV_PARAMS
from testbed.pki import Authority, KeyPair
from tests.api.probes.cases import Cluster, Outcome, run
from tests.api.probes.etcd import Member, encoded, members, pki
from tests.unit.probes.loopback import driver_of, explained, resident

OPERATIONS = {"put", "get", "txn", "watch", "lease", "delete"}
PREFIX = "/kubeprobe/"


@pytest.fixture(scope="module")
def etcd_binary(breakable: Cluster) -> Path:
    return breakable.plane.bin_dir / "etcd"


@pytest.fixture(scope="module")
def member(etcd_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Member]:
    """A member that every test leaves whole."""
    with members(etcd_binary, tmp_path_factory.mktemp("etcd")) as (one,):
        yield one


async def probed(params: dict[str, Any], **more: Any) -> Outcome:
    return await run(check, Params.model_validate({**params, **more}))


def of(cluster: Cluster) -> dict[str, Any]:
    """The parameters for a control plane's etcd, as its administrators would give them."""
    return {"endpoints": [cluster.etcd_url], "rounds": 3, **cluster.etcd_files}


async def test_every_operation_is_counted_and_nothing_is_left(member: Member) -> None:
    outcome = await probed(member.params)
    assert outcome.errors == ()
    assert outcome.steps.keys() == {"connect", *OPERATIONS}
    assert all(step.count == step.ok >= 3 for name, step in outcome.steps.items() if name in OPERATIONS)
    assert member.count(PREFIX) == 0
    assert leases(member) == []


def leases(member: Member) -> list[str]:
    return [lease["ID"] for lease in member.ask("/v3/lease/leases").json().get("leases", [])]


async def test_a_run_that_is_cut_short_cleans_up(member: Member) -> None:
    """As the SDK ends a check whose deadline comes."""
    task = asyncio.create_task(probed(member.params, rounds=1000))
    while not await asyncio.to_thread(member.count, PREFIX):
        assert not task.done()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert member.count(PREFIX) == 0


async def test_the_etcd_of_a_cluster_is_stopped_and_comes_back(breakable: Cluster) -> None:
    """The API server's own etcd: what the testbed hands out for probes is accepted there."""
    assert (await probed(of(breakable))).errors == ()
    breakable.plane.stop("etcd")
    try:
        text = (await probed(of(breakable))).only_error()
    finally:
        breakable.plane.restart("etcd")
    assert text.startswith(
        f"etcd {breakable.etcd_url}: connect (2 of 2) failed: connection refused; not tried then: put"
    )
    assert text.endswith("look at the etcd process on that host: nothing listens there")
    assert (await eventually_whole(of(breakable))).errors == ()


async def eventually_whole(params: dict[str, Any]) -> Outcome:
    outcome = await probed(params)
    for _ in range(50):
        if not outcome.errors:
            break
        await asyncio.sleep(0.1)
        outcome = await probed(params)
    return outcome


@contextmanager
def frozen(process: subprocess.Popen[bytes]) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


async def test_a_frozen_process_is_told_from_a_host_that_is_gone(member: Member) -> None:
    with frozen(member.process):
        text = (await probed(member.params, requestTimeout="600ms")).only_error()
    assert "no connection within 0.6s" in text
    assert "TCP connections are taken, so the etcd process is there and hangs" in text


async def test_stop_and_go_is_too_slow_and_names_value_and_limit(member: Member) -> None:
    """The process stands still for 0.4 s out of each 0.5 s."""

    async def stutter() -> None:
        while True:
            with frozen(member.process):
                await asyncio.sleep(0.4)
            await asyncio.sleep(0.1)

    task = asyncio.create_task(stutter())
    try:
        outcome = await probed(member.params, maxLatency="200ms", rounds=10)
    finally:
        task.cancel()
    assert outcome.errors
    assert all("is too slow:" in text and "maxLatency is 200ms" in text for text in outcome.errors)


async def test_one_of_two_members_down_names_that_one(member: Member) -> None:
    gone = "https://127.0.0.1:1"
    text = (await probed(member.params, endpoints=[gone, member.params["endpoints"][0]])).only_error()
    assert text.startswith(f"etcd {gone}: connect")


async def test_full_etcd_names_the_alarm_and_the_quota(etcd_binary: Path, tmp_path: Path) -> None:
    with members(etcd_binary, tmp_path, "--quota-backend-bytes=200000") as (full,):
        while full.ask("/v3/kv/put", key=encoded("filler"), value=encoded("x" * 6000)).is_success:
            pass
        text = (await probed(full.params)).only_error()
    assert "lease (1 of 1) failed: etcdserver: mvcc: database space exceeded (NOSPACE alarm)" in text
    assert "the member's own status: memberID:" in text
    assert "alarm:NOSPACE, database of 0." in text
    assert "compact, defragment" in text


async def test_a_lost_peer_leaves_no_leader(etcd_binary: Path, tmp_path: Path) -> None:
    with members(etcd_binary, tmp_path, count=2) as (left, lost):
        assert (await eventually_whole(left.params)).errors == ()
        lost.process.kill()
        await until_no_leader(left)
        text = (await probed(left.params, requestTimeout="1s")).only_error()
    assert "lease (1 of 1) failed: no answer within 1s; the member's own status: etcdserver: no leader" in text
    assert "quorum" in text


async def until_no_leader(member: Member) -> None:
    for _ in range(200):
        if member.ask("/v3/maintenance/status").json().get("errors"):
            return
        await asyncio.sleep(0.05)
    raise TimeoutError("the member still believes in a leader")


async def test_the_wrong_authority_on_our_side(member: Member, tmp_path: Path) -> None:
    other = Authority(KeyPair.at(tmp_path, "other"))
    text = (await probed(member.params, caFile=str(other.files.cert))).only_error()
    assert "TLS: wrong CA: the member's certificate is not signed by caFile" in text


async def test_a_client_certificate_of_another_authority(member: Member, tmp_path: Path) -> None:
    other = Authority(KeyPair.at(tmp_path, "other")).issue(KeyPair.at(tmp_path, "client"), "probe")
    text = (await probed(member.params, certFile=str(other.cert), keyFile=str(other.key))).only_error()
    assert "TLS: etcd refuses the client certificate: its CA is not etcd's trusted CA" in text


async def test_a_client_certificate_that_has_expired(member: Member, tmp_path: Path) -> None:
    folder = Path(member.params["caFile"]).parent.parent
    old = pki(folder).issue(KeyPair.at(tmp_path, "old"), "probe", days=0)
    text = (await probed(member.params, certFile=str(old.cert), keyFile=str(old.key))).only_error()
    assert "TLS: etcd refuses the client certificate" in text
    assert "expired" in text


@pytest.mark.parametrize(
    ("names", "days", "words"),
    [
        (["127.0.0.1"], 0, "TLS: the member's serving certificate has expired"),
        (["etcd.example.org"], 1, "TLS: the member's certificate is for another host (IP address mismatch"),
    ],
)
async def test_a_serving_certificate_that_clients_refuse(
    etcd_binary: Path, tmp_path: Path, names: list[str], days: int, words: str
) -> None:
    server = pki(tmp_path).issue(KeyPair.at(tmp_path, "odd"), "etcd", names=names, days=days)
    with members(etcd_binary, tmp_path, server=server) as (member,):
        assert words in (await probed(member.params)).only_error()


def program(params: dict[str, Any]) -> subprocess.Popen[str]:
    """The probe as its pod runs it."""
    environment = {**os.environ, ENV_PARAMS: json.dumps(params)}
    argv = [sys.executable, "-m", "etcd_crud.probe"]
    return subprocess.Popen(argv, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize(
    ("more", "code", "word"), [({}, 0, "Passed"), ({"endpoints": ["https://127.0.0.1:1"]}, 1, "Failed")]
)
def test_it_is_a_program_that_reports_and_exits(member: Member, more: dict[str, Any], code: int, word: str) -> None:
    with program({**member.params, **more}) as process:
        said, _ = process.communicate(timeout=60)
    assert (process.returncode, word in said) == (code, True), said


async def test_a_killed_probe_leaves_nothing_for_longer_than_its_lease(member: Member) -> None:
    """Every key that there is hangs on a lease."""
    with program({**member.params, "rounds": 1000}) as process:
        for _ in range(400):
            if member.count(PREFIX):
                break
            await asyncio.sleep(0.02)
        process.kill()
    end = encoded(PREFIX[:-1] + chr(ord(PREFIX[-1]) + 1))
    left = member.ask("/v3/kv/range", key=encoded(PREFIX), range_end=end).json().get("kvs", [])
    assert left
    assert all(int(key.get("lease", 0)) for key in left)
    for lease in {key["lease"] for key in left}:
        member.ask("/v3/lease/revoke", ID=lease)
    assert member.count(PREFIX) == 0


def test_a_prober_that_stays_leaves_nothing(member: Member) -> None:
    account = resident(driver_of(probe), {**member.params, "rounds": 1}, lambda one: one.passed > 2, timeout="8s")
    assert (account.verdict, account.failed) == (Verdict.PASSED, 0), account.message
    assert set(account.phases) == {"connect", *OPERATIONS}
    assert member.count(PREFIX) == 0
    assert leases(member) == []


def test_files_that_are_not_mounted_say_nothing_of_etcd(member: Member) -> None:
    params = {**member.params, "keyFile": "/none"}
    account = resident(driver_of(probe), params, explained, timeout="8s")
    assert (account.verdict, account.failed) == (Verdict.UNKNOWN, 0)
    assert "keyFile: there is no file /none" in account.message
