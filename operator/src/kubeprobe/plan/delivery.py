"""What a refused pod creation says, and when to try again: a refusal is never answered with a storm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kubeprobe.api import DeliveryFailure, Source, Stage, Verdict
from kubeprobe.plan.backoff import backoff_seconds
from kubeprobe.plan.outcome import Outcome, cut, delivery_verdict

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 30.0
"""More would not make the delay longer, and after a thousand a float overflows."""

OWN_DOING = {
    "exceeded quota": "QuotaExceeded",
    "violates PodSecurity": "PodSecurity",
    "error looking up service account": "ServiceAccountNotFound",
    "cannot create resource": "OperatorForbidden",
}
"""Refusals that are the prober's or its user's own doing, by the API server's words: they say nothing of the target."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the API server did not create a pod."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Attempts:
    """What became of a run's pod creation so far."""

    first_at: datetime
    last_at: datetime
    count: int
    refusal: Refusal

    def next_at(self, interval_seconds: float) -> datetime:
        """When to try again: twice as long after each refusal, at most the config's interval."""
        longest_seconds = min(LONGEST_RETRY_SECONDS, interval_seconds)
        return self.last_at + timedelta(seconds=backoff_seconds(self.count, FIRST_RETRY_SECONDS, longest_seconds))

    def after(self, refusal: Refusal, now: datetime) -> Attempts:
        """The same with one refusal more."""
        return Attempts(self.first_at, now, self.count + 1, refusal)


def refused(refusal: Refusal, delivery: DeliveryFailure) -> Outcome:
    """The outcome of a run whose pod the API server would not have."""
    own = next((reason for words, reason in OWN_DOING.items() if words in refusal.message), None)
    if own is None and refusal.status == 422:
        own = "InvalidPod"
    verdict = Verdict.UNKNOWN if own else delivery_verdict(delivery)
    reason = own or ("ApiUnreachable" if refusal.status == 0 else "PodRefused")
    message = cut(f"the pod was not created: {refusal.message}")
    return Outcome(verdict, reason, message, Source.DELIVERY, stage=Stage.NOT_CREATED)
