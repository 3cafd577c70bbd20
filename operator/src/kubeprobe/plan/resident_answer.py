"""The answer now for a config with resident probers, and how often it may be written.

The verdict follows the probers, who take the noise out themselves. Where none of them was heard for long enough nobody
knows; until then, and after a restart of the operator, what was known stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kubeprobe.api import FailWhen, ProbeConfig, ProbeResultStatus, Resident, ResultResident
from kubeprobe.plan.maintenance import maintenance
from kubeprobe.plan.resident_judge import Judgement, Terms, judge
from kubeprobe.plan.resident_tally import Tally, encode
from kubeprobe.plan.resident_word import Voice
from kubeprobe.plan.resolve import Mistake, Work
from kubeprobe.plan.result import RENEWED_SECONDS
from kubeprobe.plan.samples import Prober
from kubeprobe.plan.standing import (
    FRESH,
    NOTHING_HEARD,
    PENDING,
    STALE,
    Reasons,
    Standing,
    bar,
    overruled,
    with_condition,
    with_health,
    with_maintenance,
    with_reasons,
)
from kubeprobe.plan.window import decode

HEARD = "ProbersHeard"
WRITE_GAP_SECONDS = 1.0
QUICK_WRITES = 30
QUICK_REFILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Heard:
    """All that was heard of a config's probers.

    Args:
        voices: its pods, each with its newest word.
        tally: probes that the answer does not count yet.
        counted: the probers of which all is counted then, by their pods' uids.
        listening_since: since when this process could have heard them.
    """

    voices: Sequence[Voice]
    tally: Tally
    counted: Mapping[str, Prober]
    listening_since: datetime


@dataclass(frozen=True, slots=True)
class Damper:
    """How often one answer may be written: at most each second, and where it turns all the time, each five seconds."""

    tokens: float = QUICK_WRITES
    at: datetime | None = None

    def free_at(self) -> datetime | None:
        """When it may be written again; None for at once."""
        if self.at is None:
            return None
        wait_seconds = max(WRITE_GAP_SECONDS, (1 - self.tokens) * QUICK_REFILL_SECONDS)
        return self.at + timedelta(seconds=wait_seconds)

    def written(self, now: datetime) -> Damper:
        """After a write."""
        since = (now - self.at).total_seconds() if self.at is not None else 0.0
        return Damper(min(self.tokens + max(since, 0.0) / QUICK_REFILL_SECONDS, QUICK_WRITES) - 1, now)


def terms_of(resident: Resident) -> Terms:
    """What a config makes of its targets."""
    shares = {FailWhen.ANY: None, FailWhen.ALL: 1.0, FailWhen.SHARE: resident.share}
    return Terms(
        interval_seconds=resident.interval.seconds,
        share=shares[resident.fail_when],
        each_node=resident.each_node,
        noise=_noise(resident),
    )


def stand_resident(
    before: ProbeResultStatus, config: ProbeConfig, work: Work | Mistake, heard: Heard, now: datetime
) -> Standing:
    """The answer with all that was heard in it, and with what stands above that.

    Args:
        before: the answer so far.
        config: what it is about; its mode is Resident.
        work: what its probers execute, or what is wrong with it.
        heard: what was heard of them.
        now: the time.
    """
    assert config.spec.resident is not None
    terms = terms_of(config.spec.resident)
    judged = judge(heard.voices, terms, heard.listening_since, now)
    silent_at = judged.silent_at if judged else _could_speak(config, heard) + timedelta(seconds=terms.silence_seconds)
    stale = judged is None and now >= silent_at
    resident = _unheard(before.resident, heard) if stale else _told(before.resident, judged)
    status = _counted(before, heard, resident, now)
    status = status.model_copy(
        update={"severity": config.spec.severity, "observed_generation": config.metadata.generation}
    )
    above = bar(config, work) or (_stale(terms, heard) if stale else None)
    status = _with_verdict(status, judged, above, now)
    status = _with_freshness(status, above, now)
    windows = maintenance(config.spec.maintenance, now)
    status = with_maintenance(status, config, windows, now)
    waiting = silent_at if now < silent_at else None
    return Standing(status, min((at for at in (waiting, windows.changes_at) if at is not None), default=None))


def _noise(resident: Resident) -> str:
    if resident.window is not None and resident.ratio is not None:
        return f" ({resident.ratio:.0%} of a target's last {resident.window} probes)"
    return f" ({resident.failures} probes in a row each)" if resident.failures > 1 else ""


def _counted(
    before: ProbeResultStatus, heard: Heard, resident: ResultResident | None, now: datetime
) -> ProbeResultStatus:
    """The answer with the probes in its windows, and with how the targets are."""
    windows = tuple(one.until(now) for one in heard.tally.into(decode(before.digests), now))
    counted = before.resident.counted if before.resident else ()
    present = {one.uid for one in heard.voices}
    resident = resident or before.resident or ResultResident()
    return before.model_copy(
        update={
            "digests": tuple(one.encode() for one in windows),
            "window": tuple(one.summary() for one in windows),
            "resident": resident.model_copy(update={"counted": encode(counted, heard.counted, present)}),
        }
    )


def _told(before: ResultResident | None, judged: Judgement | None) -> ResultResident | None:
    """How the targets are; as long as what was known stands, as they were."""
    if judged is None or (judged.verdict is None and before is not None and before.targets):
        return before
    return judged.resident


def _unheard(before: ResultResident | None, heard: Heard) -> ResultResident:
    """How the targets are when nobody tells: there are as many as there were."""
    before = before or ResultResident()
    update = {"passed": 0, "failed": 0, "unknown": before.targets, "flapping": 0, "failing": (), "more": 0}
    return before.model_copy(update={**update, "probers": 0, "silent": len(heard.voices)})


def _could_speak(config: ProbeConfig, heard: Heard) -> datetime:
    """When a prober last spoke; before the first word, since when one could have spoken."""
    words = (one.word.heard_at for one in heard.voices if one.word is not None)
    pods = (one.created_at for one in heard.voices)
    return max((config.metadata.creation_timestamp, heard.listening_since, *pods, *words))


def _stale(terms: Terms, heard: Heard) -> Reasons:
    if not heard.voices:
        return Reasons(STALE, "it has no pod that probes: look at the conditions of the ProbeConfig")
    named = sorted(one.pod for one in heard.voices)
    pods = ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
    return Reasons(
        STALE,
        f"nothing was heard of {pods} for {terms.silence_seconds:g}s, neither by message nor in the log: look at the "
        "pod and its log",
    )


def _with_verdict(
    status: ProbeResultStatus, judged: Judgement | None, above: Reasons | None, now: datetime
) -> ProbeResultStatus:
    if above is not None:
        return with_reasons(status, above, now)
    if judged is None or judged.verdict is None:
        return with_reasons(status, Reasons(PENDING, NOTHING_HEARD), now) if overruled(status.conditions) else status
    since = _since(status, judged, now) if status.verdict is not judged.verdict else status.since
    update = {"verdict": judged.verdict, "since": since, "reason": judged.reason, "message": judged.message}
    return with_health(status.model_copy(update=update), now)


def _since(status: ProbeResultStatus, judged: Judgement, now: datetime) -> datetime:
    """The probers' word for when it turned, where that lies between the last turn and now."""
    if judged.since is None or judged.since > now or (status.since is not None and judged.since <= status.since):
        return now
    return judged.since


def _with_freshness(status: ProbeResultStatus, above: Reasons | None, now: datetime) -> ProbeResultStatus:
    if above is not None:
        return with_condition(status, FRESH, "False", above.reason, above.message, now)
    if status.reason == PENDING:
        return with_condition(status, FRESH, "Unknown", PENDING, NOTHING_HEARD, now)
    return with_condition(status, FRESH, "True", HEARD, "", now)


def all_heard_at(config: ProbeConfig, heard: Heard, now: datetime) -> datetime | None:
    """Up to when all probers have told what they see, those that are silent apart; None where none is heard.

    Args:
        config: what they probe for.
        heard: what was heard of them.
        now: the time.
    """
    if config.spec.resident is None:
        return None
    seconds = terms_of(config.spec.resident).silence_seconds
    words = (one.word for one in heard.voices if one.heard_within(seconds, now))
    return min((word.heard_at for word in words if word is not None), default=None)


def fresh_resident_until(config: ProbeConfig, now: datetime) -> datetime | None:
    """When an answer that is written now is out of date; None while nothing is probed that could renew it."""
    if config.spec.resident is None or config.spec.suspend:
        return None
    return now + timedelta(seconds=RENEWED_SECONDS + terms_of(config.spec.resident).silence_seconds)
