"""Who may hear of an object is found without asking everybody, and nobody is missed who would."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import config
from tests.unit.plan.changes import changed

from kubeprobe.api import ChangeSource, ProbeConfig
from kubeprobe.plan.fingerprint import ObjectKey, source_of
from kubeprobe.plan.listeners import Listeners
from kubeprobe.plan.triggers import concerned, subject_of, wait_of

NAMESPACES = {"shop": {"team": "shop"}, "pay": {"team": "pay"}}
SELECTORS = st.sampled_from([None, {}, {"matchLabels": {"team": "shop"}}])
APP: dict[str, Any] = {"matchLabels": {"app": "cart"}}
KINDS = ["Deployment", "DaemonSet", "Rollout.argoproj.io"]
OBJECTS = ["ConfigMap", "CustomResourceDefinition"]
KEYS = [
    *(ObjectKey(kind, namespace, "cart") for kind in (*KINDS, "ConfigMap") for namespace in NAMESPACES),
    ObjectKey("CustomResourceDefinition", "", "cart"),
    ObjectKey("Node", "", "cart"),
]


@st.composite
def configs(draw: st.DrawFn) -> ProbeConfig:
    name, namespace = draw(st.sampled_from(["a", "b"])), draw(st.sampled_from(sorted(NAMESPACES)))
    triggers = []
    for _ in range(draw(st.integers(0, 2))):
        kind, selector = draw(st.sampled_from(["rollout", "object", "node", "announced"])), draw(SELECTORS)
        within = {} if selector is None else {"namespaceSelector": selector}
        if kind == "rollout":
            triggers.append({kind: {"kinds": [draw(st.sampled_from(KINDS))], **within}})
        elif kind == "object":
            triggers.append({kind: {"kinds": [draw(st.sampled_from(OBJECTS))], "selector": APP, **within}})
        else:
            triggers.append({kind: {}})
    severity = draw(st.sampled_from(["Critical", "Warning"]))
    metadata = {"uid": f"{namespace}-{name}", "namespace": namespace}
    return config(name, mode="OnDemand", schedule=None, severity=severity, triggers=triggers, metadata=metadata)


def names(found: Any) -> set[str]:
    return {one.metadata.uid for one in found}


@given(st.lists(configs(), max_size=4, unique_by=lambda one: one.metadata.uid))
def test_whoever_is_concerned_is_among_those_who_may_hear_of_it(some: list[ProbeConfig]) -> None:
    listeners = Listeners(some)
    for key in KEYS:
        source = source_of(key.kind)
        subject = subject_of(changed(key), source)
        heard = names(one for one in some if concerned(one, subject, NAMESPACES))
        found = [*listeners.of(source, key)]
        assert heard <= names(one.config for one in found)
        for one in found:
            waits = wait_of(concerned(one.config, subject, NAMESPACES))
            assert waits is None or waits.quiet_seconds >= one.wait.quiet_seconds
    every = listeners.of_all(ChangeSource.ROLLOUT, KEYS)
    assert len(every) == len(names(every))
    assert [one.spec.severity for one in every] == sorted(one.spec.severity for one in every)


def test_configs_of_other_namespaces_kinds_and_sources_are_not_asked() -> None:
    shop = config("shop", mode="OnDemand", schedule=None, triggers=[{"rollout": {"kinds": ["Deployment"]}}])
    told = config("told", mode="OnDemand", schedule=None, triggers=[{"announced": {}}])
    listeners = Listeners([shop, told, config("deaf")])

    def heard(source: ChangeSource, kind: str, namespace: str = "") -> set[str]:
        return names(one.config for one in listeners.of(source, ObjectKey(kind, namespace, "x")))

    assert heard(ChangeSource.ROLLOUT, "Deployment", "probes") == {"uid-shop"}
    assert heard(ChangeSource.ROLLOUT, "Deployment", "pay") == set()
    assert heard(ChangeSource.ROLLOUT, "DaemonSet", "probes") == set()
    assert heard(ChangeSource.ANNOUNCED, "Announced") == {"uid-told"}
    assert heard(ChangeSource.NODE, "Node") == set()
