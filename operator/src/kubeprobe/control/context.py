"""What all reconcilers of the operator share, handed to each instead of being global."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from kubeprobe.control.events import Recorder
from kubeprobe.control.metrics import Metrics
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.view import Key, Views
from kubeprobe.control.writer import Writer
from kubeprobe.kube.port import Reader
from kubeprobe.plan.pod import Site

logger = logging.getLogger("kubeprobe")


class Kind(enum.StrEnum):
    """The kinds that have a reconciler."""

    TEMPLATE = "template"
    CONFIG = "config"
    RUN = "run"
    RESULT = "result"
    RESIDENT = "resident"
    CHANGE = "change"
    GATE = "gate"


Work = tuple[Kind, Key]
"""What the queue holds: one object to reconcile."""


@dataclass(frozen=True, slots=True)
class Context:
    """The operator's parts, as its reconcilers see them."""

    api: Reader
    writer: Writer
    views: Views
    queue: WorkQueue[Work]
    recorder: Recorder
    metrics: Metrics
    site: Site
    now: Callable[[], datetime]
    vouched: set[str] = field(default_factory=set)
    """The uids of runs that this replica created, or read anew, since it leads: its views cannot lag behind them."""

    def wake(self, kind: Kind, key: Key, at: datetime | None) -> None:
        """Have an object reconciled again at a time, if there is one."""
        if at is not None:
            self.queue.add_after((kind, key), (at - self.now()).total_seconds())
