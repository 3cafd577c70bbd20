"""How many reports the intake takes: on one core with durability stubbed, and with a real apiserver behind it.

Both parts send what pods send: a token of its own each, signed with RS256 as clusters do and shown once, so that
remembering tokens would not help, and a report with six steps' worth of figures. The first part measures the intake
alone, a process pinned to one core and its senders to the others; its port answers DURABLE at once. The second part is
the operator as it is shipped, an apiserver and an etcd: 200 means that the run's status is written.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import uvloop
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jwt.algorithms import RSAAlgorithm
from prometheus_client import CollectorRegistry

from kubeprobe.intake.gates.handler import GateDeps
from kubeprobe.intake.server import IntakeDeps
from probe_sdk.wire import AUDIENCE
from tests.bench.intake_runs import waiting_runs
from tests.bench.load import Load, request, send, typical_report
from tests.bench.report import finish, say
from tests.bench.served import HOST, SPAWN, NoGates, NoSamples, Served, Stub, served

ISSUER = "https://kubernetes.default.svc.cluster.local"
KEY_ID = "bench"
ROUNDS = 5
WARM_UP = 1_000


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=25_000, help="reports to the intake alone (default 25000)")
    parser.add_argument("--runs", type=int, default=1_500, help="reports of real runs (default 1500)")
    wanted = parser.parse_args()
    figures = measure_core(wanted.reports)
    figures["reports_per_second_apiserver"] = round(measure_apiserver(wanted.runs), 1)
    finish(figures)


def measure_core(reports: int) -> dict[str, object]:
    """The intake alone on one core."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("the intake's bench needs two cores: one for the intake, one for its senders")
    say(f"signing {reports + WARM_UP} tokens, one for each pod")
    key = generate_private_key(65537, 2048)
    requests = _requests(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), reports + WARM_UP)
    jwk = {**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "use": "sig", "kid": KEY_ID}
    say(f"the intake on core {cores[0]}, its senders on {cores[1:]}; durability is stubbed at the port")
    with served(cores[0], partial(_deps, jwk)) as intake:
        os.sched_setaffinity(0, cores[1:])
        _all_recorded(uvloop.run(send(HOST, intake.port, requests[:WARM_UP])))
        size = reports // ROUNDS
        starts = range(WARM_UP, WARM_UP + size * ROUNDS, size)
        rounds = [_round(intake, requests[start : start + size]) for start in starts]
        os.sched_setaffinity(0, cores)
    return {
        "reports_per_second_core": round(statistics.median(load.per_second for load, _ in rounds), 1),
        "cpu_seconds_per_report": round(sum(cpu for _, cpu in rounds) / (size * ROUNDS), 8),
    }


def _round(intake: Served, requests: list[bytes]) -> tuple[Load, float]:
    """One round's load, and the seconds of CPU that it cost the intake."""
    before = intake.cpu_seconds()
    load = _all_recorded(uvloop.run(send(HOST, intake.port, requests)))
    cpu = intake.cpu_seconds() - before
    say(
        f"  {load.per_second:.0f} reports/s; {cpu / len(requests) * 1e6:.0f} us of CPU each; "
        f"the intake was busy {cpu / load.seconds:.0%} of the time, its senders {load.cpu_seconds / load.seconds:.0%}"
    )
    return load, cpu


def _all_recorded(load: Load) -> Load:
    if set(load.statuses) != {200}:
        raise SystemExit(f"not every report was recorded: {dict(load.statuses)}")
    return load


def _requests(pem: bytes, count: int) -> list[bytes]:
    workers = len(os.sched_getaffinity(0))
    bounds = [count * part // workers for part in range(workers + 1)]
    with ProcessPoolExecutor(workers, mp_context=SPAWN) as pool:
        parts = pool.map(_signed, [pem] * workers, bounds[:-1], bounds[1:])
        return [one for part in parts for one in part]


def _signed(pem: bytes, start: int, end: int) -> list[bytes]:
    """Requests of pods that all differ."""
    key = load_pem_private_key(pem, None)
    body, now = typical_report().body(), int(time.time())
    requests = []
    for number in range(start, end):
        claims = _claims(number, now)
        token = jwt.encode(claims, key, "RS256", headers={"kid": KEY_ID})  # type: ignore[arg-type]
        requests.append(request(token, body))
    return requests


def _claims(number: int, now: int) -> dict[str, Any]:
    """What Kubernetes says in a projected token."""
    return {
        "aud": [AUDIENCE],
        "exp": now + 3607,
        "iat": now,
        "iss": ISSUER,
        "jti": f"00000000-0000-4000-a000-{number:012}",
        "kubernetes.io": {
            "namespace": "probes",
            "node": {"name": "node-1", "uid": "00000000-0000-4000-b000-000000000001"},
            "pod": {"name": f"etcd-main-{number:08}", "uid": f"00000000-0000-4000-c000-{number:012}"},
            "serviceaccount": {"name": "default", "uid": "00000000-0000-4000-d000-000000000001"},
        },
        "nbf": now,
        "sub": "system:serviceaccount:probes:default",
    }


def _deps(jwk: dict[str, str]) -> IntakeDeps:
    """Made in the intake's own process."""
    stub = Stub(jwk, ISSUER)
    return IntakeDeps(
        stub, NoSamples(), stub, stub, CollectorRegistry(), lambda: datetime.now(UTC), GateDeps(NoGates())
    )


def measure_apiserver(runs: int) -> float:
    """Reports a second that the operator makes durable, with an apiserver and an etcd on the same machine."""
    with tempfile.TemporaryDirectory() as folder, waiting_runs(Path(folder), runs) as waiting:
        say(f"{runs} runs wait for their reports: operator, apiserver, etcd and senders share the machine")
        body = typical_report().body()
        before = waiting.cpu_seconds()
        load = _all_recorded(uvloop.run(send(HOST, waiting.port, [request(token, body) for token in waiting.tokens])))
        cpu = (waiting.cpu_seconds() - before) / runs
        say(f"  {load.per_second:.0f} reports/s durable; {cpu * 1e3:.2f} ms of the operator's CPU each")
        waiting.check_completed(runs)
    return load.per_second


if __name__ == "__main__":
    main()
