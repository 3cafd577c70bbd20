"""The cluster's nodes, watched as soon as somebody asks and not before: most clusters' probes need none of it.

Sweeps ask, and gates with runs that are bound to nodes.

Metadata alone is asked for. A node's whole object is some fifteen kilobytes, most of it a list of images.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container
from dataclasses import dataclass

from kubeprobe.control.view import Key, Views, read_node
from kubeprobe.kube.port import NODE_METADATA, Api, Object
from kubeprobe.kube.reflector import Feed, Reflector
from kubeprobe.plan.nodes import Node


@dataclass(frozen=True, slots=True)
class Present:
    """The names of the nodes that there are, without a copy of them."""

    views: Views

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.views.nodes.get(("", name)) is not None


class NodeWatch:
    """Keeps `Views.nodes` once somebody wants them.

    A node that goes has gates look again, which follow the view; sweeps are not woken, for they look when they act.
    """

    def __init__(self, api: Api, views: Views, clock: Callable[[], float]) -> None:
        self._views = views
        self._wanted = asyncio.Event()
        self._reflector = Reflector(api, Feed(NODE_METADATA, self), clock)
        self.followed: tuple[Reflector, ...] = ()
        """What is watched now: nothing, before it is wanted."""

    async def run(self) -> None:
        """Watch, for ever, from when it is wanted."""
        await self._wanted.wait()
        self.followed = (self._reflector,)
        await self._reflector.run()

    def all(self) -> tuple[Node, ...] | None:
        """All nodes; None while they are not known, which this call puts an end to."""
        self._wanted.set()
        return tuple(self._views.nodes) if self._reflector.listed.is_set() else None

    def present(self) -> Container[str] | None:
        """What tells whether there is a node of a name; None while they are not known."""
        self._wanted.set()
        return Present(self._views) if self._reflector.listed.is_set() else None

    def names(self) -> frozenset[str] | None:
        """The names of all nodes; None while they are not known."""
        nodes = self.all()
        return None if nodes is None else frozenset(node.name for node in nodes)

    def observe(self, body: Object) -> None:
        """See `kubeprobe.kube.reflector.Sink`."""
        self._views.nodes.put(read_node(body))

    def forget(self, key: Key, uid: str) -> None:
        """See `kubeprobe.kube.reflector.Sink`."""
        self._views.nodes.drop(key, uid)
