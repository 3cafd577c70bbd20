"""Conditions are kept, not appended to: one of each type, and its transition time moves only when its status flips."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kubeprobe.api.common import Condition


def set_condition(conditions: Iterable[Condition], new: Condition, now: datetime) -> tuple[Condition, ...]:
    """The conditions with one of them brought up to date, in the order in which they stand.

    Args:
        conditions: what stands so far.
        new: what holds now; its own transition time does not count.
        now: the transition time if the status is another one than before.
    """
    standing = tuple(conditions)
    before = next((one for one in standing if one.type == new.type), None)
    flipped = before is None or before.status != new.status
    since = now if before is None or flipped else before.last_transition_time
    kept = new.model_copy(update={"last_transition_time": since})
    if before is None:
        return (*standing, kept)
    return tuple(kept if one.type == new.type else one for one in standing)
