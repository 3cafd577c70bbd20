"""What changed becomes Changes: compared with what was told, gathered until it is quiet, and written as one object.

The Change is written first and the fingerprints after it. Until it is written its batch counts as told here, and the
very same manifest is sent again: a creation whose answer was lost must not become a second Change.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from kubeprobe.api import Change, ChangeSource
from kubeprobe.control.audience import Audience
from kubeprobe.control.change_events import tell_objects
from kubeprobe.control.context import Context, Kind
from kubeprobe.control.ledgers import Ledgers
from kubeprobe.kube.fence import NotLeadingError
from kubeprobe.kube.port import CHANGES, ApiError, Object
from kubeprobe.plan.backoff import backoff_seconds
from kubeprobe.plan.batch import ANNOUNCED_WAIT, MOST_TOGETHER, Batch, Wait, base_of, new_change, with_change, without
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.change_story import probes_run
from kubeprobe.plan.changed import Announcement, Changed, announced, announced_before, compare, missing
from kubeprobe.plan.fingerprint import ObjectKey, Tracked, source_of
from kubeprobe.plan.ledger import Ledger
from kubeprobe.plan.triggers import bounded

logger = logging.getLogger("kubeprobe.changes")

RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 30.0
Place = tuple[ChangeSource, str]
"""What is gathered together: a source, and of announcements the gate."""


@dataclass(frozen=True, slots=True)
class _Complete:
    """A batch of which it is not decided yet whom it concerns."""

    place: Place
    batch: Batch
    answer: asyncio.Future[str] | None
    """What those wait for who announced it."""


@dataclass(frozen=True, slots=True)
class _Closed(_Complete):
    """One of which it is, and the Change that it is about to be."""

    manifest: Object


class Batches:
    """The changes that are gathered, and those that are being written.

    Args:
        context: whose Changes they become.
        audience: whom they concern.
        ledgers: what was told.
    """

    def __init__(self, context: Context, audience: Audience, ledgers: Ledgers) -> None:
        self._ctx = context
        self._audience = audience
        self._ledgers = ledgers
        self._open: dict[Place, Batch] = {}
        self._answers: dict[Place, asyncio.Future[str]] = {}
        """What those wait for who announced something that is still gathered."""
        self._complete: deque[_Complete] = deque()
        self._closed: deque[_Closed] = deque()
        self._stirred = asyncio.Event()
        self._running = False
        self._newest = ""
        self._failures = 0
        """Of the first that is closed, one after the other."""
        self._failed_at: datetime | None = None

    def seen(self, key: ObjectKey, before: Tracked | None, after: Tracked | None) -> None:
        """Compare an object with what was told of it.

        Args:
            key: which one.
            before: as it was seen before, if it was.
            after: as it is now; None when it is gone.
        """
        ledger = self._ledgers.of(key.kind)
        if ledger is None:
            return  # all of the kind is compared once it is listed
        source = source_of(key.kind)
        place, mark = (source, ""), after.fingerprint if after is not None else ""
        batch = self._open.get(place)
        if batch is not None and key in batch.changes and batch.changes[key].fingerprint == mark:
            return  # what goes on with its status keeps nobody waiting
        known, now = self._known(ledger, key), self._ctx.now()
        base = base_of(batch, key, before)
        changed = compare(known, base, after, now) if after is not None else _missing(known, key, base or before, now)
        wait = self._audience.wait(changed, source) if changed is not None else None
        if changed is not None and wait is not None:
            self._put(place, changed, wait)
            return
        if changed is not None:
            ledger.note(key, mark)
        self._drop(place, key)

    def left(self, kind: str) -> None:
        """Nobody wants to be told of a kind any more."""
        place = (source_of(kind), "")
        batch = self._open.get(place)
        for key in tuple(batch.changes) if batch is not None else ():
            if key.kind == kind:
                self._drop(place, key)

    async def announce(self, gate: str, said: Announcement) -> str:
        """Take in what is announced at a gate; the name of its Change, which is written when this returns.

        Raises:
            ApiError: it was not written.
        """
        if not self._running:
            raise ApiError(503, "ServiceUnavailable", "this replica does not lead: ask again")
        now, place = self._ctx.now(), (ChangeSource.ANNOUNCED, gate)
        before = announced_before(self._ctx.views.changes, gate, said, now)
        if before is not None:
            return before
        changed = announced(gate, said, now)
        for one in self._under_way():
            same = one.batch.changes.get(changed.key) if one.place == place else None
            if one.answer is not None and same is not None and same.fingerprint == changed.fingerprint:
                return await asyncio.shield(one.answer)
        self._put(place, changed, ANNOUNCED_WAIT)  # first: it may begin another batch
        if place not in self._answers:
            self._answers[place] = asyncio.get_running_loop().create_future()
            self._answers[place].add_done_callback(_taken)
        answer = self._answers[place]
        return await asyncio.shield(answer)

    async def run(self) -> None:
        """Write what is due, for ever."""
        self._running = True
        try:
            while True:
                self._stirred.clear()
                wait_seconds = await self.turn()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_seconds):
                        await self._stirred.wait()
        finally:
            self._running = False
            self.reset()

    def reset(self) -> None:
        """Forget what was held in memory: another replica may have led meanwhile."""
        gone = ApiError(503, "ServiceUnavailable", "this replica does not lead any more: ask again")
        for answer in (*self._answers.values(), *(one.answer for one in self._under_way())):
            _refuse(answer, gone)
        self._open.clear()
        self._answers.clear()
        self._complete.clear()
        self._closed.clear()
        self._newest = ""
        self._wrote_one()

    async def turn(self) -> float | None:
        """Write what is due now; in how many seconds there is more to do, None for not before something changes."""
        now = self._ctx.now()
        for place, batch in tuple(self._open.items()):
            # While one cannot be written the others are gathered on: somebody waits for what was announced alone.
            if batch.is_due(now) and (place in self._answers or not self._closed):
                self._end(place)
        while self._complete:
            await self._close(self._complete[0])
            self._complete.popleft()
        try:
            while self._closed and not self._rest_seconds():
                await self._write(self._closed[0])
                self._closed.popleft()
                self._wrote_one()
        except (ApiError, NotLeadingError) as error:
            self._failed(error)
        if not self._closed:
            return self._next_seconds(self._open)
        rest, announced = self._rest_seconds(), self._next_seconds(self._answers)
        return rest if announced is None else min(rest, announced)

    def _next_seconds(self, places: Iterable[Place]) -> float | None:
        """In how many seconds the next batch at one of these places is complete; None where there is none."""
        due = [self._open[place].closes_at for place in places]
        return max((min(due) - self._ctx.now()).total_seconds(), 0.0) if due else None

    def _wrote_one(self) -> None:
        self._failures, self._failed_at = 0, None

    def _rest_seconds(self) -> float:
        """How long the first that is closed is not to be sent again, whatever else has changed: others need the writes.

        Who announced something is answered soon; and a clock that was set back keeps nothing at rest.
        """
        if self._failed_at is None:
            return 0.0
        delay = RETRY_SECONDS
        if all(one.answer is None for one in self._closed):
            delay = backoff_seconds(self._failures, delay, LONGEST_RETRY_SECONDS)
        passed = (self._ctx.now() - self._failed_at).total_seconds()
        return max(delay - passed, 0.0) if passed >= 0 else 0.0

    def _failed(self, error: Exception) -> None:
        """What was announced is refused, since somebody waits for it; all else is sent again."""
        first = self._closed[0]
        logger.warning("Change %s was not written: %s", first.manifest["metadata"]["name"], error)
        for one in self._closed:
            _refuse(one.answer, error)
        self._closed = deque(one for one in self._closed if one.answer is None)
        self._failures, self._failed_at = self._failures + 1, self._ctx.now()
        if not self._closed:
            self._wrote_one()

    def _known(self, ledger: Ledger, key: ObjectKey) -> str | None:
        """What was told of an object, or is about to be."""
        for one in reversed(self._under_way()):
            if key in one.batch.changes:
                return one.batch.changes[key].fingerprint or None
        return ledger.known(key)

    def _under_way(self) -> tuple[_Complete, ...]:
        """What is complete and not written yet, in order."""
        return (*self._closed, *self._complete)

    def _put(self, place: Place, changed: Changed, wait: Wait) -> None:
        now, batch = self._ctx.now(), self._open.get(place)
        if batch is not None and changed.key not in batch.changes and len(batch.changes) >= MOST_TOGETHER:
            self._end(place)
            batch = None
        self._open[place] = with_change(batch, place[0], changed, wait, now)
        self._stirred.set()

    def _drop(self, place: Place, key: ObjectKey) -> None:
        left = without(self._open.get(place), key)
        if left is not None:
            self._open[place] = left
        else:
            self._open.pop(place, None)

    def _end(self, place: Place) -> None:
        """A batch is complete: from here on it is as if it was told."""
        self._complete.append(_Complete(place, self._open.pop(place), self._answers.pop(place, None)))

    async def _close(self, complete: _Complete) -> None:
        """Decide whom a batch concerns."""
        batch, gate = complete.batch, complete.place[1]
        at = frozenset({gate} if gate else ())
        probes, left_out = bounded(await self._audience.probes(batch, at))
        gates = await self._audience.gates(batch, at)
        if not probes and not gates:
            self._nobody(batch, complete.answer)
            return
        names = (one.metadata.name for one in self._ctx.views.changes)
        manifest = new_change(batch, max((*names, self._newest)), probes, left_out, gates, self._ctx.now())
        self._newest = max(self._newest, manifest["metadata"]["name"])
        self._closed.append(_Closed(complete.place, batch, complete.answer, manifest))

    def _nobody(self, batch: Batch, answer: asyncio.Future[str] | None) -> None:
        """Those are gone whom it concerned."""
        for key, one in batch.changes.items():
            ledger = self._ledgers.of(key.kind)
            if ledger is not None:
                ledger.note(key, one.fingerprint)
        if answer is not None:
            _refuse(answer, ApiError(404, "NotFound", "there is no such ChangeGate, and no config listens to it"))

    async def _write(self, closed: _Closed) -> None:
        change = await self._created(closed.manifest)
        self._ctx.views.changes.put(change)
        name = change.metadata.name
        self._ledgers.tell(name, {key: one.fingerprint for key, one in closed.batch.changes.items()})
        self._ctx.queue.add((Kind.CHANGE, ("", name)))
        for gate in change.spec.gates:
            self._ctx.queue.add((Kind.GATE, ("", gate)))
        if closed.answer is not None and not closed.answer.done():
            closed.answer.set_result(name)
        metrics = self._ctx.metrics
        metrics.changes.labels(change.spec.source.value).inc()
        metrics.changed_objects.labels(change.spec.source.value).inc(change.spec.count)
        metrics.change_seconds.observe(max((self._ctx.now() - closed.batch.closes_at).total_seconds(), 0.0))
        tell_objects(self._ctx.recorder, change, "ChangeSeen", _words(change), warning=False)

    async def _created(self, manifest: Object) -> Change:
        name = manifest["metadata"]["name"]
        try:
            body = await self._ctx.writer.create(Priority.RUN, CHANGES, None, manifest)
        except ApiError as error:
            if not error.already_exists:
                raise
            body = await self._ctx.api.get(CHANGES, None, name)  # its answer was lost
        return Change.model_validate(body)


def _missing(known: str | None, key: ObjectKey, base: Tracked | None, now: datetime) -> Changed | None:
    return missing(key, base, now) if known is not None else None


def _words(change: Change) -> str:
    gates = ", ".join(change.spec.gates)
    told = f", told to {'gate' if len(change.spec.gates) == 1 else 'gates'} {gates}" if gates else ""
    name = change.metadata.name
    return f"part of {name}: {probes_run(change)} for it{told}; kubectl get change {name}"


def _refuse(answer: asyncio.Future[str] | None, error: Exception) -> None:
    if answer is not None and not answer.done():
        known = isinstance(error, ApiError)
        answer.set_exception(error if known else ApiError(503, "ServiceUnavailable", f"{error}: ask again"))


def _taken(answer: asyncio.Future[str]) -> None:
    """Whoever waited for it may have gone: then nobody asks what became of it."""
    if not answer.cancelled():
        answer.exception()
