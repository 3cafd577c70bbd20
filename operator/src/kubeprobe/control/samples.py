"""What the intake hands in of resident probers: whose it is, and whether the answer may be another one by it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from kubeprobe.control.context import Context, Kind
from kubeprobe.control.resident_store import ResidentStore
from kubeprobe.intake.port import PodIdentity, SamplesAnswer
from kubeprobe.kube.port import PODS, ApiError
from kubeprobe.plan.resident_pod import ResidentPod, read_resident_pod
from kubeprobe.plan.samples import SILENT_SECONDS, Gain, Merge, Taken
from probe_sdk.samples import Samples

ANSWERS = {
    Taken.COUNTED: SamplesAnswer.COUNTED,
    Taken.KNOWN: SamplesAnswer.KNOWN,
    Taken.DEAD: SamplesAnswer.DEAD,
    Taken.BACKWARDS: SamplesAnswer.BACKWARDS,
}


class SampleSink:
    """`kubeprobe.intake.port.SampleTaker` over the operator's views.

    Args:
        leads: whether this replica leads, and so is who keeps the answers.
    """

    def __init__(self, context: Context, store: ResidentStore, leads: Callable[[], bool]) -> None:
        self._ctx = context
        self._store = store
        self._leads = leads

    async def accept(self, who: PodIdentity, samples: Samples, received_at: datetime) -> SamplesAnswer:
        """See `SampleTaker.accept`."""
        pod = await self._pod(who) if self._leads() else None
        if not self._leads():  # perhaps not any more: then nobody would look at what is taken in here
            return SamplesAnswer.UNAVAILABLE
        if pod is None or not pod.belongs(self._ctx.views.configs.get(pod.key)):
            return SamplesAnswer.UNKNOWN_POD
        if not self._store.has_room(pod, samples):
            return SamplesAnswer.FULL
        was_silent = received_at - self._store.sent_at(pod) >= timedelta(seconds=SILENT_SECONDS)
        merged = self._store.merge(pod, samples, received_at)
        if was_silent or _is_news(merged):
            self._ctx.queue.add((Kind.RESULT, pod.key))
        return ANSWERS[merged.taken]

    async def _pod(self, who: PodIdentity) -> ResidentPod | None:
        """The pod, of which a view that lags may not know yet."""
        pod = self._ctx.views.resident_pods.get((who.namespace, who.pod))
        if pod is None or pod.uid != who.pod_uid:
            try:
                pod = read_resident_pod(await self._ctx.api.get(PODS, who.namespace, who.pod))
            except ApiError as error:
                if error.not_found:
                    return None
                raise
            if pod.config and pod.uid == who.pod_uid:
                self._ctx.views.resident_pods.put(pod)
        return pod if pod.uid == who.pod_uid else None


def _is_news(merged: Merge) -> bool:
    """Whether more than counts is new: those are told with the next look, which silence has at its end."""
    return bool(merged.gone) or any(_turned(gain) for gain in merged.gains)


def _turned(gain: Gain) -> bool:
    return gain.before is None or gain.turns > 0 or gain.sample.verdict != gain.before.verdict
