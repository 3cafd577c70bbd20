"""What was heard of resident probers, in memory: bounded by the pods that there are and by their targets.

Nothing here needs to outlive the process. A prober's counts go on without an operator, and its next summary holds all
that a lost one did; what the answer has counted of it stands in the ProbeResult.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kubeprobe.api import ProbeConfig
from kubeprobe.control.view import Key, Views
from kubeprobe.plan.resident_answer import Heard
from kubeprobe.plan.resident_pod import ResidentPod
from kubeprobe.plan.resident_rate import Served
from kubeprobe.plan.resident_tally import Counted, Tally, decode, first, of_gains
from kubeprobe.plan.resident_word import Voice, Word, newer, of_log, of_prober
from kubeprobe.plan.samples import Merge, Prober, Taken, merge
from probe_sdk.samples import MAX_TARGETS, LogLine, Samples

MOST_TARGETS = 100_000
"""Of all probers together: some 200 MB."""
MOST_OF_ONE = 2 * MAX_TARGETS
"""Of one prober: until a round is over, those that are new are kept beside those that are gone."""


@dataclass(slots=True)
class _Pod:
    """What one pod told."""

    config_uid: str
    prober: Prober | None = None
    logged: Word | None = None
    counting: bool = False
    """Whether what it told before this process heard it is accounted for, so that all that is new counts."""
    tally: Tally = field(default_factory=Tally)
    served: Served = field(default_factory=Served)

    def word(self, now: datetime) -> Word | None:
        return newer(of_prober(self.prober, now) if self.prober else None, self.logged)


class ResidentStore:
    """The probers of all configs.

    Args:
        views: which pods and configs there are, and what was written of them.
        now: the time.
    """

    def __init__(self, views: Views, now: Callable[[], datetime]) -> None:
        self._views = views
        self._now = now
        self._pods: dict[Key, dict[str, _Pod]] = {}
        self._left: dict[Key, Tally] = {}
        """Probes of pods that are gone since, not yet taken."""
        self._targets = 0
        self.listening_since = now()

    def reset(self) -> None:
        """Begin anew, as one that has heard nothing."""
        self._pods.clear()
        self._left.clear()
        self._targets = 0
        self.listen()

    def listen(self) -> None:
        """From now on probers can find the way here: nobody was silent before."""
        self.listening_since = self._now()

    def has_room(self, pod: ResidentPod, samples: Samples) -> bool:
        """Whether what a pod says can be kept."""
        known = self._pods.get(pod.key, {}).get(pod.uid)
        before = known.prober.targets if known and known.prober else {}
        new = len({one.target for one in samples.targets} - before.keys())
        return len(before) + new <= MOST_OF_ONE and self._targets + new <= MOST_TARGETS

    def merge(self, pod: ResidentPod, samples: Samples, at: datetime) -> Merge:
        """Take in a message of a pod that belongs to its config."""
        known = self._of(pod)
        before = known.prober
        merged = merge(before, samples, at)
        if merged.taken in (Taken.DEAD, Taken.BACKWARDS):
            return merged
        known.prober = merged.prober
        known.served = known.served.plus(merged.gains, samples.interval_seconds, at)
        self._targets += len(merged.prober.targets) - (len(before.targets) if before else 0)
        if known.counting:
            known.tally += of_gains(merged.gains)
        elif merged.prober.whole:
            known.tally, known.counting = first(merged.prober, pod.uid, self._counted(pod.key)), True
        return merged

    def read(self, pod: ResidentPod, line: LogLine, at: datetime) -> bool:
        """Take in the last line of a pod's log; whether it was news."""
        known = self._of(pod)
        word = of_log(line, at, known.word(at))
        known.logged = word or known.logged
        return word is not None

    def heard_at(self, pod: ResidentPod) -> datetime:
        """When the pod was last heard; before the first time, since when it could have been."""
        known = self._pods.get(pod.key, {}).get(pod.uid)
        word = known.word(self._now()) if known else None
        return word.heard_at if word else max(self.listening_since, pod.created_at)

    def sent_at(self, pod: ResidentPod) -> datetime:
        """When the pod's last message came; before the first one, since when it could have."""
        known = self._pods.get(pod.key, {}).get(pod.uid)
        return known.prober.heard_at if known and known.prober else max(self.listening_since, pod.created_at)

    def take(self, key: Key) -> Heard:
        """All that was heard for a config, once: whoever takes it counts the probes in it."""
        self._forget_gone(key)
        known = self._pods.get(key, {})
        tally = self._left.pop(key, Tally())
        for one in known.values():
            tally, one.tally = tally + one.tally, Tally()
        counted = {uid: one.prober for uid, one in known.items() if one.prober is not None and one.counting}
        return Heard(self.voices(key), tally, counted, self.listening_since)

    def voices(self, key: Key) -> tuple[Voice, ...]:
        """A config's pods, each with its newest word."""
        now, known, config = self._now(), self._pods.get(key, {}), self._views.configs.get(key)
        pods = [pod for pod in self._views.resident_pods.group(key) if pod.belongs(config)]
        words = {uid: one.word(now) for uid, one in known.items()}
        return tuple(Voice(pod.name, pod.uid, pod.node, pod.created_at, words.get(pod.uid)) for pod in pods)

    def probers(self, key: Key) -> Mapping[str, Prober]:
        """The probers of a config, by their pods' uids."""
        return {uid: one.prober for uid, one in self._pods.get(key, {}).items() if one.prober is not None}

    def served_share(self, config: ProbeConfig) -> float | None:
        """Of the slots that are due, those that the worst of a config's probers serves; None while it is not known."""
        if config.spec.resident is None:
            return None
        interval_seconds = config.spec.resident.interval.seconds
        known = self._pods.get((config.metadata.namespace, config.metadata.name), {}).values()
        shares = (one.served.share(interval_seconds) for one in known)
        return min((share for share in shares if share is not None), default=None)

    def keys(self) -> tuple[Key, ...]:
        """The configs of which something was heard."""
        return tuple(self._pods)

    def forget(self, key: Key) -> None:
        """The config is gone, or has no resident probers any more."""
        for one in self._pods.pop(key, {}).values():
            self._targets -= len(one.prober.targets) if one.prober else 0
        self._left.pop(key, None)

    def _of(self, pod: ResidentPod) -> _Pod:
        config = self._views.configs.get(pod.key)
        uid = config.metadata.uid if config else ""
        pods = self._pods.get(pod.key, {})
        if any(one.config_uid != uid for one in pods.values()):
            self.forget(pod.key)
        return self._pods.setdefault(pod.key, {}).setdefault(pod.uid, _Pod(uid))

    def _forget_gone(self, key: Key) -> None:
        """Drop the pods that there are no more; what they told and nobody took yet counts all the same."""
        present = {pod.uid for pod in self._views.resident_pods.group(key)}
        known = self._pods.get(key, {})
        for uid in [uid for uid in known if uid not in present]:
            gone = known.pop(uid)
            self._targets -= len(gone.prober.targets) if gone.prober else 0
            self._left[key] = self._left.get(key, Tally()) + gone.tally
        if not known:
            self._pods.pop(key, None)

    def _counted(self, key: Key) -> Mapping[str, Counted]:
        result, config = self._views.results.get(key), self._views.configs.get(key)
        if result is None or config is None or config.metadata.uid not in result.owner_uids:
            return {}
        resident = result.status.resident
        return decode(resident.counted if resident else ())
