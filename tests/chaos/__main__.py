"""`make chaos`: faults by the dozen on the real testbed while probes run, and the invariants checked from outside.

The same seed gives the same faults in the same order for the same times. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt

from testbed import Testbed
from tests.chaos import invariants
from tests.chaos.again import works_again
from tests.chaos.faults import FAULTS, MORTAL_TEMPLATE, PROBES, Fault, Scene, harm
from tests.chaos.operator_pods import prepared
from tests.chaos.record import Record
from tests.lab.audit import writes
from tests.lab.kubectl import KubectlError, eventually
from tests.lab.lab import NAMESPACE, Lab

PROBERS = 4
EVERY = timedelta(seconds=10)
LOOK_SECONDS = 1.0
BLIND_SECONDS = 10.0
"""After so long without an answer the next look is worth more than this one."""
PATIENCE_SECONDS = 300.0
QUIET_SECONDS = 5.0
SCRIPT = "from probe_sdk import ReportSuccess; ReportSuccess()"


class Watcher:
    """Looks at everything once a second, beside the faults."""

    def __init__(self, lab: Lab) -> None:
        self.record = Record()
        self._lab = lab
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @contextmanager
    def watching(self) -> Iterator[Record]:
        """Watch while the block lasts, and once more at its end."""
        self._thread.start()
        try:
            yield self.record
        finally:
            self._over.set()
            self._thread.join()
            self._look()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            try:
                self._look()
            except (KubectlError, OSError, ValueError):
                continue  # the API server is what is broken

    def _look(self) -> None:
        labelled = ("-l", "kubeprobe.io/run,app.kubernetes.io/managed-by=kubeprobe")
        runs = self._lab.kubectl.list("proberuns", timeout_seconds=BLIND_SECONDS)
        pods = self._lab.kubectl.list("pods", "", *labelled, timeout_seconds=BLIND_SECONDS)
        self.record.look(runs, pods, time.monotonic(), datetime.now(UTC))


class Reporter:
    """Reports from outside the cluster in the place of pods that only wait, and remembers what was acknowledged."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        service = lab.kubectl.get("service", "kubeprobe", NAMESPACE) or {}
        self._url = f"http://{service['spec']['clusterIP']}/v1/report"
        self.acknowledged: dict[str, str] = {}
        self.refused: set[int] = set()

    def waiting(self) -> tuple[str, str] | None:
        """A run that waits for its report, and its pod's token; None while the cluster gives neither."""
        name = f"patient-{uuid.uuid4().hex[:8]}"
        spec = {"configRef": {"name": "patient"}}
        metadata = {"name": name, "namespace": PROBES}
        body = {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeRun", "metadata": metadata, "spec": spec}
        bound = ("--bound-object-kind", "Pod", "--bound-object-name", name, "--audience", "kubeprobe")
        try:
            self._lab.kubectl.apply(body)
            eventually("its pod", lambda: self._lab.kubectl.get("pod", name, PROBES), 20)
            return name, self._lab.kubectl("create", "token", "default", "-n", PROBES, *bound).strip()
        except (KubectlError, AssertionError, OSError):
            return None

    def report(self, waiting: tuple[str, str], seconds: float) -> None:
        """Send the run's report again and again until it is acknowledged, for a while."""
        name, token = waiting
        mark, end = uuid.uuid4().hex, time.monotonic() + seconds
        while time.monotonic() < end and name not in self.acknowledged:
            code = self._post({"Authorization": f"Bearer {token}"}, mark)
            if code == httpx.codes.OK:
                self.acknowledged[name] = mark
            elif code in (409, 410):
                return
            time.sleep(0.3)  # between two tries of a sender
        for worthless in (f"{token[:-8]}AAAAAAAA", self._expired(token)):
            self.refused.add(self._post({"Authorization": f"Bearer {worthless}"}, mark))

    def _post(self, headers: dict[str, str], mark: str) -> int:
        body = {"ok": True, "attributes": {"mark": mark}}
        try:
            return httpx.post(self._url, json=body, headers=headers, timeout=5).status_code
        except httpx.HTTPError:
            return 0

    def _expired(self, token: str) -> str:
        """The same token as it would be an hour after its end, signed by the cluster's own key."""
        claims = jwt.decode(token, options={"verify_signature": False})
        life = claims["exp"] - claims["iat"]
        for claim in ("exp", "iat", "nbf"):
            claims[claim] -= life + 3600
        header = {"kid": jwt.get_unverified_header(token)["kid"]}
        return jwt.encode(claims, self._lab.testbed.signing_key.read_text(), "RS256", header)


def main() -> int:
    """Do harm, and tell what came of it."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=32, help="how many faults (default 32)")
    parser.add_argument("--seed", type=int, default=None, help="play a former run again")
    parser.add_argument("--only", default="", help="this fault alone, by its name in tests/chaos/faults.py")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**6)
    chosen = [one for one in FAULTS if asked.only in ("", one[0].__name__)]
    if not chosen:
        parser.error(f"--only {asked.only}: there are {', '.join(one[0].__name__ for one in FAULTS)}")
    testbed = Testbed.open()
    testbed.up()
    lab = Lab.open(testbed)
    lab.install("--set", "nodeSelector=null")
    with prepared(lab):
        violations, found = play(lab, random.Random(seed), asked.faults, chosen)
    for violation in violations:
        say(f"VIOLATED: {violation}")
    print(json.dumps({**found, "violations": len(violations), "seed": seed}), flush=True)
    return 1 if violations else 0


def play(lab: Lab, dice: random.Random, count: int, chosen: list[tuple[Fault, float, float]]) -> tuple[list[str], Any]:
    """The faults one after the other, and the violations of all invariants."""
    since = datetime.now(UTC)
    scene, watcher, reporter = Scene(lab, dice), Watcher(lab), Reporter(lab)
    set_out(lab)
    violations: list[str] = []
    slowest = 0.0
    with watcher.watching() as record:
        works_again(lab, PATIENCE_SECONDS)
        for number in range(count):
            fault, shortest, longest = chosen[number % len(chosen)] if count >= len(chosen) else dice.choice(chosen)
            kept_up = dice.uniform(shortest, longest)
            waiting = reporter.waiting()
            with harm(fault, scene):
                if waiting is not None:
                    reporter.report(waiting, max(kept_up, 1.0))
                time.sleep(kept_up if waiting is None else 0.0)  # how long a fault lasts is what it is
            took = works_again(lab, PATIENCE_SECONDS)
            slowest = max(slowest, took.engine_seconds)
            say(f"[{number + 1}/{count}] {fault.__name__} for {kept_up:.0f}s: {took}")
            violations += [f"{fault.__name__}: {words}" for words in took.late()]
            if waiting is not None:
                reporter.report(waiting, QUIET_SECONDS)
        settled(lab)
    lab.kubectl.delete("namespace", PROBES)
    periods = {f"prober-{number}": EVERY for number in range(PROBERS)}
    runs = [run for run in record.runs.values() if run.namespace == PROBES]
    violations += [
        *invariants.slots(runs, periods),
        *invariants.verdicts(record.runs.values()),
        *invariants.leftovers(record),
        *invariants.acknowledged(reporter.acknowledged, record.runs.values()),
        *invariants.leases(writes(lab.testbed.audit_log, since)),
    ]
    if not reporter.refused <= {0, 401, 502, 503}:
        violations.append(f"a forged or expired token was answered with {sorted(reporter.refused)}")
    told = {"chaos": "kubeprobe", "faults": count, "runs": len(record.runs), "acknowledged": len(reporter.acknowledged)}
    return violations, {**told, "slowest_seconds": round(slowest, 1)}


def set_out(lab: Lab) -> None:
    """Probes that always pass, one that waits for whoever reports in its place, and one whose template will go."""
    lab.namespace(PROBES)
    image = lab.images.reference("probes")
    for name, command in (
        ("chaos-quick", ["python", "-c", SCRIPT]),
        (MORTAL_TEMPLATE, ["python", "-c", SCRIPT]),
        ("chaos-patient", ["sleep", "300"]),
    ):
        spec = {"image": image, "command": command, "timeout": "15s" if name != "chaos-patient" else "120s"}
        body = {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeTemplate", "metadata": {"name": name}}
        lab.kubectl.apply({**body, "spec": spec})
    kept = {"passed": 100, "failed": 100}
    every = f"{EVERY.total_seconds():.0f}s"
    for number in range(PROBERS):
        jitter = {"every": every, "jitter": "9s"}
        lab.config(f"prober-{number}", "chaos-quick", PROBES, schedule=jitter, history=kept)
    lab.config("mortal", MORTAL_TEMPLATE, PROBES, schedule={"every": every}, history=kept)
    lab.config("patient", "chaos-patient", PROBES, mode="OnDemand", history=kept)


def settled(lab: Lab) -> None:
    """Wait until no run is under way but those of the next slots."""
    lab.kubectl("patch", "probeconfig", "patient", "-n", PROBES, "--type=merge", "-p", '{"spec":{"timeout":"1s"}}')
    works_again(lab, PATIENCE_SECONDS)


def say(text: str) -> None:
    """Tell what is going on, on standard error."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
