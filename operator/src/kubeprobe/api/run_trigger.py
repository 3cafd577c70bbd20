"""What started a run: a slot of the schedule, a change, or somebody who asked."""

from __future__ import annotations

from pydantic import Field

from kubeprobe.api.base import ApiModel, Time
from kubeprobe.api.common import MissedReason, TriggerKind
from kubeprobe.api.rules import Rule
from kubeprobe.api.triggers import During

TRIED_AGAIN = frozenset({TriggerKind.SCHEDULE, TriggerKind.CHANGE})
"""What runs that did not pass are tried again for; a gate asks again when it likes, and so does who asks by hand."""


class Missed(ApiModel):
    """The slots before a run's own that had no run: they are recorded with the next one that has."""

    count: int = Field(ge=1, description="How many slots had no run since the run before this one.")
    since: Time = Field(description="The first of these slots.")
    reason: MissedReason = Field(
        description="Busy: the run before them was still going. Late: no operator was there to start them in time."
    )


class Covered(ApiModel):
    """A moment of another change that a run is for as well."""

    change_id: str = Field(alias="changeID", max_length=63, description="Name of the Change.")
    during: During = Field(description="Which moment of it: Started, Progressing or Finished.")
    part: int = Field(0, ge=0, description="Which of the runs of that moment, counted from 0.")


class Trigger(ApiModel):
    """What started the run."""

    rules = (
        Rule(
            cel="(self.kind == 'Schedule') == has(self.slot)",
            check=lambda self: (self.kind is TriggerKind.SCHEDULE) == (self.slot is not None),
            message="a slot goes with the kind Schedule, and only with it; leave the trigger out for a manual run",
            field="slot",
        ),
        Rule(
            cel="self.kind == 'Schedule' || !has(self.missed)",
            check=lambda self: self.kind is TriggerKind.SCHEDULE or self.missed is None,
            message="missed goes with the kind Schedule only: leave it out",
            field="missed",
        ),
        Rule(
            cel="self.kind == 'Schedule' || self.kind == 'Change' || !has(self.attempt)",
            check=lambda self: self.kind in TRIED_AGAIN or self.attempt is None,
            message="attempt goes with the kinds Schedule and Change only: leave it out",
            field="attempt",
        ),
        Rule(
            cel="self.kind == 'Gate' || (self.kind == 'Change') == has(self.changeID)",
            check=lambda self: (
                self.kind is TriggerKind.GATE or (self.kind is TriggerKind.CHANGE) == (self.change_id is not None)
            ),
            message="a changeID goes with the kind Change, which needs one, and with Gate; leave the trigger out for a "
            "manual run",
            field="changeID",
        ),
        Rule(
            cel="self.kind == 'Change' || !(has(self.during) || has(self.part) || "
            "(has(self.covers) && self.covers.size() > 0))",
            check=lambda self: (
                self.kind is TriggerKind.CHANGE or (self.during is None and self.part is None and not self.covers)
            ),
            message="during, part and covers go with the kind Change only: leave them out",
            field="during",
        ),
    )

    kind: TriggerKind = Field(
        TriggerKind.MANUAL,
        description="Schedule: the operator, for a slot. Change: the operator, since something changed. Gate: the "
        "operator, since a ChangeGate has to know. Manual (the default): somebody asked.",
    )
    slot: Time | None = Field(None, description="The time of the schedule that the run was due at; with Schedule only.")
    attempt: int | None = Field(
        None, ge=2, le=11, description="Which attempt this is, from the second one on; see spec.retries of the config."
    )
    missed: Missed | None = Field(None, description="Slots before this one that had no run, if there were any.")
    change_id: str | None = Field(
        None,
        alias="changeID",
        min_length=1,
        max_length=63,
        description="Name of the Change that the run is for; with Change, and with Gate where it is for one.",
    )
    during: During | None = Field(
        None,
        description="Which moment of the change it is for: Started, Progressing or Finished; with Change only, and "
        "absent where it is for the nodes that the change came to.",
    )
    part: int | None = Field(
        None,
        ge=0,
        description="Which of the runs of that moment this is, counted from 0, where there are several: of those on "
        "the nodes that a change came to, or of those while it goes on.",
    )
    covers: tuple[Covered, ...] = Field(
        (),
        max_length=50,
        description="Moments of other changes that came due while an earlier run was going, and that this one is for "
        "as well.",
    )
