"""The mark by which the intake's Service finds the leader: a label on its pod, and on no other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from kubeprobe.control.view import Key
from kubeprobe.kube.fence import NotLeadingError
from kubeprobe.kube.port import PODS, Api, ApiError, Object
from kubeprobe.kube.reflector import Feed

logger = logging.getLogger("kubeprobe.leader")
LABEL_LEADER = "kubeprobe.io/leader"
RETRY_SECONDS = 1.0


class Badge:
    """Keeps the label where it belongs; `run` it.

    Args:
        api: for the own pod's label, which a replica takes off when it has ceased to lead.
        fenced: for what only the leader may write.
        leads: whether this replica leads.
    """

    def __init__(self, api: Api, fenced: Api, pod: Key, leads: Callable[[], bool]) -> None:
        self._api = api
        self._fenced = fenced
        self._pod = pod
        self._leads = leads
        self._wearing: set[str] = set()
        self._changed = asyncio.Event()

    def feed(self) -> Feed:
        """The pods that wear the label."""
        return Feed(PODS, self, label_selector=f"{LABEL_LEADER}=true")

    def observe(self, body: Object) -> None:
        """A pod that wears it."""
        if body["metadata"]["namespace"] == self._pod[0]:
            self._wearing.add(body["metadata"]["name"])
            self._changed.set()

    def forget(self, key: Key, uid: str) -> None:
        """A pod that does not wear it any more."""
        if key[0] == self._pod[0]:
            self._wearing.discard(key[1])
            self._changed.set()

    def look(self) -> None:
        """Look whether it is where it belongs: this replica began or ceased to lead."""
        self._changed.set()

    async def run(self) -> None:
        """Put it right whenever something changed, for ever."""
        while True:
            self._changed.clear()
            try:
                await self._put_right()
            except NotLeadingError:
                continue
            except ApiError as error:
                logger.warning("the label %s: %s", LABEL_LEADER, error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            await self._changed.wait()

    async def _put_right(self) -> None:
        mine = self._pod[1]
        if not self._leads():
            if mine in self._wearing:
                await self._label(self._api, mine, None)
            return
        if mine not in self._wearing:
            await self._label(self._fenced, mine, "true")
        for other in self._wearing - {mine}:
            await self._label(self._fenced, other, None)

    async def _label(self, api: Api, name: str, value: str | None) -> None:
        try:
            await api.merge_patch(PODS, self._pod[0], name, {"metadata": {"labels": {LABEL_LEADER: value}}})
        except ApiError as error:
            if not error.not_found:
                raise
        if value is None:
            self._wearing.discard(name)
        else:
            self._wearing.add(name)
