"""How much is being taken in at once, in all and for each pod: what may wait is bounded, the rest is told."""

from __future__ import annotations

from kubeprobe.intake import refusal


class Places:
    """Counts who is inside.

    Args:
        what: what is taken in, in the plural.
        at_once: how many there may be.
        at_once_per_pod: how many of one pod there may be.
    """

    def __init__(self, what: str, at_once: int, at_once_per_pod: int) -> None:
        self._what = what
        self._at_once = at_once
        self._at_once_per_pod = at_once_per_pod
        self._by_pod: dict[str, int] = {}
        self.taken = 0

    def take(self) -> None:
        """Let one in, or raise `RefusalError`."""
        if self.taken >= self._at_once:
            raise refusal.later(f"too many {self._what} at once: send it again")
        self.taken += 1

    def give_back(self) -> None:
        """One has left."""
        self.taken -= 1

    def take_for(self, pod_uid: str) -> None:
        """Let one of a pod in, or raise `RefusalError`."""
        inside = self._by_pod.get(pod_uid, 0)
        if inside >= self._at_once_per_pod:
            raise refusal.later(f"too many {self._what} of yours are under way: wait for their answers")
        self._by_pod[pod_uid] = inside + 1

    def give_back_for(self, pod_uid: str) -> None:
        """One of a pod has left."""
        self._by_pod[pod_uid] -= 1
        if not self._by_pod[pod_uid]:
            del self._by_pod[pod_uid]
