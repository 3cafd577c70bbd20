from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import at

from kubeprobe.api import DeliveryFailure, Source, Stage, Verdict
from kubeprobe.plan.delivery import LONGEST_RETRY_SECONDS, Attempts, Refusal, refused

REFUSED = Refusal(403, "no")
QUOTA = 'pods "main-1" is forbidden: exceeded quota: few, requested: pods=1, used: pods=3, limited: pods=3'
WEBHOOK = 'admission webhook "guard.example" denied the request: no'
DEAD_WEBHOOK = 'failed calling webhook "guard.example": dial tcp 10.0.0.1:443: connect: connection refused'
PSA = 'pods "main-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
ACCOUNT = 'pods "main-1" is forbidden: error looking up service account probes/gone: serviceaccount "gone" not found'
RBAC = 'pods is forbidden: User "kubeprobe" cannot create resource "pods" in API group "" in the namespace "probes"'


@pytest.mark.parametrize(
    ("status", "words", "reason", "own"),
    [
        (403, QUOTA, "QuotaExceeded", True),
        (403, PSA, "PodSecurity", True),
        (403, ACCOUNT, "ServiceAccountNotFound", True),
        (403, RBAC, "OperatorForbidden", True),
        (422, 'Pod "main-1" is invalid: spec.containers[0].env[3].name: Invalid value', "InvalidPod", True),
        (403, WEBHOOK, "PodRefused", False),
        (500, DEAD_WEBHOOK, "PodRefused", False),
        (429, "too many requests", "PodRefused", False),
        (0, "connection refused", "ApiUnreachable", False),
    ],
)
@pytest.mark.parametrize("delivery", DeliveryFailure)
def test_a_refusal_tells_of_the_target_only_if_it_is_not_the_probers_doing(
    status: int, words: str, reason: str, own: bool, delivery: DeliveryFailure
) -> None:
    outcome = refused(Refusal(status, words), delivery)
    failed = delivery is DeliveryFailure.FAILED and not own
    assert outcome.verdict is (Verdict.FAILED if failed else Verdict.UNKNOWN)
    assert (outcome.reason, outcome.source, outcome.stage) == (reason, Source.DELIVERY, Stage.NOT_CREATED)
    assert outcome.message == f"the pod was not created: {words}"


def test_a_long_refusal_is_cut() -> None:
    assert len(refused(Refusal(500, "é" * 5000), DeliveryFailure.FAILED).message.encode()) <= 1024


def test_the_delay_doubles_up_to_its_bound() -> None:
    attempts = Attempts(at(0), at(0), 1, REFUSED)
    delays = []
    for _ in range(8):
        delays.append((attempts.next_at(3600) - attempts.last_at).total_seconds())
        attempts = attempts.after(REFUSED, at(100))
    assert delays == [1, 2, 4, 8, 16, 30, 30, 30]
    assert (attempts.first_at, attempts.last_at, attempts.count) == (at(0), at(100), 9)


@given(st.integers(1, 10**6), st.floats(1, 86400))
def test_the_delay_is_bounded_however_often_it_failed(count: int, interval: float) -> None:
    delay = (Attempts(at(0), at(0), count, REFUSED).next_at(interval) - at(0)).total_seconds()
    assert 1 <= delay <= min(LONGEST_RETRY_SECONDS, interval) + 1e-6


def test_the_last_refusal_is_the_one_told() -> None:
    assert Attempts(at(0), at(0), 1, REFUSED).after(Refusal(0, "gone"), at(1)).refusal == Refusal(0, "gone")
