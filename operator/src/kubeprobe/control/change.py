"""Change: gather what its configs and gates came to, plan, apply; and keep no more of them than are worth it."""

from __future__ import annotations

import asyncio
from datetime import datetime

from kubeprobe.api import Change, ChangeGateNote, ChangePhase, ChangeStatus, ProbeRun, TriggerKind
from kubeprobe.control.again import look_again_after
from kubeprobe.control.change_events import tell_objects
from kubeprobe.control.changes import Changes
from kubeprobe.control.context import Context, Kind
from kubeprobe.control.view import Key
from kubeprobe.kube.port import CHANGES, ApiError
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.change import ChangeSeen, is_over, plan_change, surplus_changes
from kubeprobe.plan.change_probe import ProbeSeen
from kubeprobe.plan.change_story import FINAL
from kubeprobe.plan.gate_change import note_of

LOOK_SECONDS = 5.0
TOGETHER = 10
"""Configs between two turns of the event loop: each may wait for up to 500 rollouts."""


class ChangeReconciler:
    """Tells the story of one change until it is over, and has its configs run."""

    def __init__(self, context: Context, changes: Changes) -> None:
        self._ctx = context
        self._changes = changes

    async def reconcile(self, key: Key) -> None:
        """Bring one Change to what it should be now. Raises `ApiError` when a write failed."""
        change = self._ctx.views.changes.get(key)
        if change is None or is_over(change):
            self._changes.forget(key[1])
        if change is None:
            return
        if not (is_over(change) or self._changes.known(change)):
            # It is looked at again once all of it is known; that a kind is not served any more nobody tells.
            self._ctx.queue.add_after((Kind.CHANGE, key), LOOK_SECONDS)
            return
        probes = () if is_over(change) else await self._probes(change)
        now = self._ctx.now()
        plan = plan_change(self._gather(change, probes), now)
        # First, for what is written next may have to wait.
        self._have_run(change, probes, now)
        self._ctx.wake(Kind.CHANGE, key, plan.wake_at)
        if plan.status is not None:
            await self._write(change, plan.status)
        await self._tidy()

    async def _probes(self, change: Change) -> tuple[ProbeSeen, ...]:
        found = []
        for one in change.spec.probes:
            found.append(self._changes.probe_seen(change, one))
            if len(found) % TOGETHER == 0:
                await asyncio.sleep(0)
        return tuple(found)

    def _gather(self, change: Change, probes: tuple[ProbeSeen, ...]) -> ChangeSeen:
        return ChangeSeen(
            change=change,
            probes=probes,
            rollouts=self._changes.rollouts(change, lambda _: True),
            gates=self._notes(change),
            asked=self._asked(change),
        )

    def _notes(self, change: Change) -> tuple[ChangeGateNote, ...]:
        gates = (self._ctx.views.gates.get(("", name)) for name in change.spec.gates)
        notes = (note_of(gate, change) for gate in gates if gate is not None)
        return tuple(one for one in notes if one is not None)

    def _asked(self, change: Change) -> tuple[ProbeRun, ...]:
        runs = self._ctx.views.runs.group(("", change.metadata.name))
        return tuple(run for run in runs if run.spec.trigger.kind is TriggerKind.GATE)

    def _have_run(self, change: Change, probes: tuple[ProbeSeen, ...], now: datetime) -> None:
        """Have those configs reconciled that are to run now, and this Change when more of them are."""
        for one in probes:
            followed = one.followed
            if followed is None or one.skipped is not None:
                continue
            # Of one that is busy the end of its run has it looked at: in a storm all are, for every Change that waits.
            if not one.busy and (followed.steps or followed.nodes or any(chain.again for chain in followed.chains)):
                self._ctx.queue.add((Kind.CONFIG, (one.probe.namespace, one.probe.name)))
            if followed.wake_at is not None and followed.wake_at > now:
                self._ctx.wake(Kind.CHANGE, ("", change.metadata.name), followed.wake_at)

    async def _write(self, change: Change, status: ChangeStatus) -> None:
        meta, turned = change.metadata, status.phase is not change.status.phase and status.phase in FINAL
        body = {
            "metadata": {"resourceVersion": meta.resource_version},
            "status": status.model_dump(by_alias=True, exclude_none=True, mode="json"),
        }
        priority = Priority.VERDICT if turned else Priority.HISTORY
        try:
            answer = await self._ctx.writer.merge_patch(priority, CHANGES, None, meta.name, body, subresource="status")
        except ApiError as error:
            if error.not_found:
                return
            await look_again_after(error, self._ctx, CHANGES, ("", meta.name))
            raise
        written = Change.model_validate(answer)
        self._ctx.views.changes.put(written)
        if turned:
            self._tell(written)
        if is_over(written) and not is_over(change):
            self._over(written)

    def _tell(self, change: Change) -> None:
        status, failed = change.status, change.status.phase is ChangePhase.FAILED
        words = status.message or status.reason
        self._ctx.recorder.record(change, f"Change{status.phase}", words, warning=failed)
        told = f"{change.metadata.name}: {words}"
        tell_objects(self._ctx.recorder, change, f"Change{status.phase}", told, warning=failed)

    def _over(self, change: Change) -> None:
        """Its configs need its runs no longer than others."""
        self._changes.forget(change.metadata.name)
        for probe in change.spec.probes:
            self._ctx.queue.add((Kind.CONFIG, (probe.namespace, probe.name)))

    async def _tidy(self) -> None:
        for old in surplus_changes(self._ctx.views.changes):
            meta = old.metadata
            await self._ctx.writer.delete(Priority.HISTORY, CHANGES, None, meta.name, uid=meta.uid)
            self._ctx.views.changes.drop(("", meta.name), meta.uid)
