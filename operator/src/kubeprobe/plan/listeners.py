"""Which configs may hear of a kind of object in a namespace: few of many, found without asking all of them.

A storm changes hundreds of objects, and each is looked at as it comes. Most configs hear of their own namespace alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kubeprobe.api import ChangeSource, ChangeTrigger, ProbeConfig
from kubeprobe.plan.batch import Wait
from kubeprobe.plan.fingerprint import ObjectKey
from kubeprobe.plan.triggers import wait_of, worth

ANYWHERE = "*"
"""No namespace has this name."""
Place = tuple[ChangeSource, str, str]
"""Source, kind (empty where it does not matter), and namespace."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A config, and how long any of its triggers waits at least."""

    config: ProbeConfig
    wait: Wait


class Listeners:
    """The configs with triggers, by what they listen to."""

    def __init__(self, configs: Iterable[ProbeConfig]) -> None:
        self._configs: dict[Place, dict[tuple[str, str], Listener]] = {}
        for config in configs:
            meta, wait = config.metadata, wait_of(config.spec.triggers)
            if wait is None:
                continue
            for trigger in config.spec.triggers:
                for place in _places(trigger, meta.namespace):
                    self._configs.setdefault(place, {})[meta.namespace, meta.name] = Listener(config, wait)

    def of(self, source: ChangeSource, key: ObjectKey) -> Iterator[Listener]:
        """The configs that may hear of an object; those that do are among them, in no order, and some twice."""
        if source in (ChangeSource.NODE, ChangeSource.ANNOUNCED):
            yield from self._configs.get((source, "", ANYWHERE), {}).values()
            return
        for namespace in (key.namespace, ANYWHERE):
            yield from self._configs.get((source, key.kind, namespace), {}).values()

    def of_all(self, source: ChangeSource, keys: Iterable[ObjectKey]) -> tuple[ProbeConfig, ...]:
        """The configs that may hear of one of some objects, each once, the most severe first."""
        places = {(key.kind, key.namespace): key for key in keys}
        heard = (one.config for key in places.values() for one in self.of(source, key))
        found = {(one.metadata.namespace, one.metadata.name): one for one in heard}
        return tuple(sorted(found.values(), key=worth))


def _places(trigger: ChangeTrigger, own: str) -> Iterator[Place]:
    if trigger.rollout is not None:
        namespace = own if trigger.rollout.namespace_selector is None else ANYWHERE
        for kind in trigger.rollout.kinds:
            yield ChangeSource.ROLLOUT, kind, namespace
    elif trigger.object is not None:
        for object_kind in trigger.object.kinds:
            yield ChangeSource.OBJECT, object_kind.value, ""  # in no namespace, heard of from any
            namespace = own if trigger.object.namespace_selector is None else ANYWHERE
            yield ChangeSource.OBJECT, object_kind.value, namespace
    else:
        source = ChangeSource.NODE if trigger.node is not None else ChangeSource.ANNOUNCED
        yield source, "", ANYWHERE
