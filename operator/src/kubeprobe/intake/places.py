"""How much is being taken in at once, in all and for each sender: what may wait is bounded, the rest is told."""

from __future__ import annotations

from kubeprobe.intake import refusal


class Places:
    """Counts who is inside: `with` it one more is, and `with` one of a sender's places one more of that sender.

    Entering raises `RefusalError` where there is no place. Every report goes through here, so it is no generator.

    Args:
        what: what is taken in, in the plural.
        at_once: how many there may be.
        at_once_each: how many of one sender there may be: a pod, or an address.
    """

    def __init__(self, what: str, at_once: int, at_once_each: int) -> None:
        self.taken = 0
        self._what = what
        self._at_once = at_once
        self._at_once_each = at_once_each
        self._by_sender: dict[str, int] = {}

    def place_for(self, sender: str) -> _PlaceOfSender:
        """One of a sender's places, to be entered."""
        return _PlaceOfSender(self, sender)

    def __enter__(self) -> None:
        if self.taken >= self._at_once:
            raise refusal.later(f"too many {self._what} at once: send it again")
        self.taken += 1

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.taken -= 1


class _PlaceOfSender:
    __slots__ = ("_places", "_sender")

    def __init__(self, places: Places, sender: str) -> None:
        self._places = places
        self._sender = sender

    def __enter__(self) -> None:
        places = self._places
        inside = places._by_sender.get(self._sender, 0)
        if inside >= places._at_once_each:
            raise refusal.later(f"too many {places._what} of yours are under way: wait for their answers")
        places._by_sender[self._sender] = inside + 1

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        by_sender = self._places._by_sender
        left = by_sender[self._sender] - 1
        if left:
            by_sender[self._sender] = left
        else:
            del by_sender[self._sender]
