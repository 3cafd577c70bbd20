"""Which configs a change concerns, and what each of them is to do."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import CREATED, at
from tests.unit.plan.changes import CART, WAIT, changed, data_body, node_body, tracked, triggered

from kubeprobe.api import ChangeProbe, ChangeSource, During, ProbeConfig
from kubeprobe.plan.batch import Batch, Wait, with_change
from kubeprobe.plan.changed import Changed
from kubeprobe.plan.fingerprint import ObjectKey, read_tracked
from kubeprobe.plan.triggers import (
    bounded,
    concerned,
    is_pinned,
    not_followed,
    object_of,
    probes_of,
    subject_of,
    wait_of,
    wanted_kinds,
)

ROLLOUT, NODE, OBJECT, ANNOUNCED = ChangeSource
NAMESPACES = {"probes": {"team": "us"}, "shop": {"team": "shop"}}
ALL: dict[str, Any] = {"namespaceSelector": {}}
SHOP = {"namespaceSelector": {"matchLabels": {"team": "shop"}}}
CART_APP = {"matchLabels": {"app": "cart"}}
NODE_1 = ObjectKey("Node", "", "node-1")
SETTINGS = ObjectKey("ConfigMap", "shop", "settings")
CRDS = {"kinds": ["CustomResourceDefinition"]}
CRD = ObjectKey("CustomResourceDefinition", "", "things.example.com")
RELEASE = ObjectKey("Announced", "shop", "cart")
KUBELET = changed(NODE_1, labels={"zone": "a"}, parts=("Kubelet",))


def own(key: ObjectKey) -> Changed:
    return changed(ObjectKey(key.kind, "probes", key.name))


CASES: list[tuple[str, ChangeSource, dict[str, Any], Changed, bool]] = [
    ("a rollout in the config's own namespace", ROLLOUT, {"rollout": {}}, own(CART), True),
    ("a rollout elsewhere", ROLLOUT, {"rollout": {}}, changed(), False),
    ("a rollout in any namespace", ROLLOUT, {"rollout": ALL}, changed(), True),
    ("a rollout in a selected namespace", ROLLOUT, {"rollout": SHOP}, changed(), True),
    ("a rollout in one that is not", ROLLOUT, {"rollout": SHOP}, own(CART), False),
    (
        "a rollout in one that is not known",
        ROLLOUT,
        {"rollout": SHOP},
        changed(ObjectKey("Deployment", "x", "y")),
        False,
    ),
    ("a kind that is not listed", ROLLOUT, {"rollout": {**ALL, "kinds": ["DaemonSet"]}}, changed(), False),
    ("another kind", ROLLOUT, {"rollout": {**ALL, "kinds": ["A.b"]}}, changed(ObjectKey("A.b", "shop", "c")), True),
    ("labels that match", ROLLOUT, {"rollout": {**ALL, "selector": CART_APP}}, changed(), True),
    ("labels that do not", ROLLOUT, {"rollout": {**ALL, "selector": CART_APP}}, changed(labels={}), False),
    ("a rollout, for a trigger on nodes", ROLLOUT, {"node": {}}, changed(), False),
    ("a node that has a new kubelet", NODE, {"node": {}}, KUBELET, True),
    ("a node, by its labels", NODE, {"node": {"selector": {"matchLabels": {"zone": "a"}}}}, KUBELET, True),
    ("another node", NODE, {"node": {"selector": {"matchLabels": {"zone": "b"}}}}, KUBELET, False),
    ("the fact that is asked for", NODE, {"node": {"facts": ["Kernel", "Kubelet"]}}, KUBELET, True),
    ("another fact", NODE, {"node": {"facts": ["Cordon"]}}, KUBELET, False),
    ("nobody knows which fact", NODE, {"node": {"facts": ["Cordon"]}}, changed(NODE_1), True),
    ("a new node", NODE, {"node": {}}, changed(NODE_1, type="Added"), True),
    ("a new node that is not asked for", NODE, {"node": {"facts": ["Cordon"]}}, changed(NODE_1, type="Added"), False),
    ("a node that is gone", NODE, {"node": {}}, changed(NODE_1, type="Deleted"), False),
    ("a node, for a trigger on rollouts", NODE, {"rollout": ALL}, KUBELET, False),
    ("a ConfigMap", OBJECT, {"object": {**ALL, "kinds": ["ConfigMap"], "selector": {}}}, changed(SETTINGS), True),
    ("a ConfigMap elsewhere", OBJECT, {"object": {"kinds": ["ConfigMap"]}}, changed(SETTINGS), False),
    ("a kind that is not asked for", OBJECT, {"object": {**ALL, "kinds": ["Secret"]}}, changed(SETTINGS), False),
    ("what is in no namespace", OBJECT, {"object": CRDS}, changed(CRD), True),
    (
        "a CRD that is gone",
        OBJECT,
        {"object": CRDS},
        changed(CRD, type="Deleted"),
        True,
    ),
    ("an object, for a trigger on nodes", OBJECT, {"node": {}}, changed(SETTINGS), False),
    ("an announcement", ANNOUNCED, {"announced": {}}, changed(RELEASE), True),
    ("an announcement at this gate", ANNOUNCED, {"announced": {"gates": ["x", "prod"]}}, changed(RELEASE), True),
    ("an announcement at another gate", ANNOUNCED, {"announced": {"gates": ["x"]}}, changed(RELEASE), False),
    ("an announcement, for a trigger on nodes", ANNOUNCED, {"node": {}}, changed(RELEASE), False),
]


@pytest.mark.parametrize(
    ("source", "trigger", "what", "expected"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_what_concerns_a_config(source: ChangeSource, trigger: dict[str, Any], what: Changed, expected: bool) -> None:
    one = triggered(trigger)
    subject = subject_of(what, source, ("prod",) if source is ANNOUNCED else ())
    assert bool(concerned(one, subject, NAMESPACES)) is expected
    assert bool(probes_of([one], gathered(what, source=source), NAMESPACES, ("prod",))) is expected


def gathered(*changes: Changed, source: ChangeSource = ROLLOUT) -> Batch:
    batch = None
    for one in changes:
        batch = with_change(batch, source, one, WAIT, CREATED)
    assert batch is not None
    return batch


def test_whether_it_concerns_a_config_is_asked_again_without_what_is_decided() -> None:
    one = triggered({"node": {"facts": ["Cordon"]}}, {"rollout": ALL}, {"object": {**ALL, "kinds": ["ConfigMap"]}})
    for found, trigger in (
        (read_tracked("Node", node_body()), one.spec.triggers[0]),
        (tracked(), one.spec.triggers[1]),
        (read_tracked("ConfigMap", data_body()), one.spec.triggers[2]),
    ):
        assert concerned(one, object_of(found), NAMESPACES) == (trigger,)


def test_the_shortest_quiet_time_counts() -> None:
    one = triggered(
        {"rollout": {"quiet": "30s"}}, {"node": {"quiet": "5s"}}, {"object": {"kinds": ["Secret"], "quiet": "7s"}}
    )
    assert wait_of(one.spec.triggers) == Wait(5.0)
    assert wait_of(one.spec.triggers[::2]) == Wait(7.0)
    assert wait_of(triggered({"announced": {}}).spec.triggers) == Wait(1.0)
    assert wait_of(()) is None


def probe_of(*triggers: dict[str, Any], source: ChangeSource = ROLLOUT, what: Changed | None = None) -> ChangeProbe:
    (probe,) = probes_of([triggered(*triggers)], gathered(what or changed(), source=source), NAMESPACES)
    return probe


def test_what_a_config_is_to_do() -> None:
    plain = probe_of({"rollout": ALL})
    assert (plain.namespace, plain.name) == ("probes", "main")
    assert (plain.during, plain.pin_to_nodes) == ((During.FINISHED,), False)
    assert (plain.quiet.seconds, plain.timeout.seconds) == (10, 1800)
    pinned = probe_of({"rollout": {**ALL, "pinToNodes": True, "timeout": "1h"}})
    assert (pinned.during, pinned.pin_to_nodes, pinned.timeout.seconds) == ((), True, 3600)
    early = probe_of({"rollout": {**ALL, "during": ["Finished", "Started"]}})
    assert early.during == (During.STARTED, During.FINISHED)
    node = probe_of({"node": {"pinToNodes": True}}, source=NODE, what=KUBELET)
    assert (node.during, node.pin_to_nodes, node.timeout.seconds) == ((), True, 1800)
    assert probe_of({"node": {}}, source=NODE, what=KUBELET).during == (During.FINISHED,)
    assert probe_of({"announced": {}}, source=ANNOUNCED, what=changed(RELEASE)).quiet.seconds == 1


def test_several_triggers_come_to_what_any_of_them_asks_for() -> None:
    both = probe_of(
        {"rollout": {**ALL, "pinToNodes": True, "quiet": "20s", "timeout": "2m"}},
        {"rollout": {**ALL, "during": ["Progressing"], "quiet": "5s", "timeout": "1m"}},
        {"node": {}},
    )
    assert (both.during, both.pin_to_nodes) == ((During.PROGRESSING,), True)
    assert (both.quiet.seconds, both.timeout.seconds) == (5, 120)


def test_the_most_severe_configs_come_first_and_those_that_go_not_at_all() -> None:
    def one(name: str, severity: str, **more: Any) -> ProbeConfig:
        config = triggered({"rollout": ALL}, severity=severity, **more)
        return config.model_copy(update={"metadata": config.metadata.model_copy(update={"name": name})})

    going = triggered({"rollout": ALL}, metadata={"deletionTimestamp": at(1).isoformat()})
    configs = [
        one("c", "Info"),
        one("b", "Critical"),
        one("a", "Critical"),
        going,
        triggered(),
        triggered({"node": {}}),
    ]
    assert [probe.name for probe in probes_of(configs, gathered(changed()), NAMESPACES)] == ["a", "b", "c"]


def test_a_change_names_so_many_configs_and_no_more() -> None:
    many = [ChangeProbe(namespace="probes", name=f"p{number}") for number in range(205)]
    found, left_out = bounded(many)
    assert (len(found), found[-1].name, left_out) == (200, "p199", 5)
    assert bounded(many[:200]) == (tuple(many[:200]), 0)


def test_kinds_are_followed_while_a_config_wants_them() -> None:
    triggers: list[dict[str, Any]] = [
        {"rollout": {"kinds": ["DaemonSet", "Rollout.argoproj.io"]}},
        {"node": {}},
        {"object": {"kinds": ["ConfigMap"]}},
        {"announced": {}},
    ]
    wanted = {"DaemonSet", "Rollout.argoproj.io", "Node", "ConfigMap"}
    one = triggered(*triggers)
    assert wanted_kinds(one) == wanted
    assert wanted_kinds(triggered(*triggers, suspend=True)) == frozenset()
    assert wanted_kinds(triggered(*triggers, metadata={"deletionTimestamp": at(1).isoformat()})) == frozenset()
    assert not_followed(one, wanted) is None
    mistake = not_followed(one, {"DaemonSet", "Node"})
    assert mistake is not None
    assert mistake.reason == "KindNotFollowed"
    assert "does not follow ConfigMap, Rollout.argoproj.io;" in mistake.message


def test_which_triggers_go_to_nodes() -> None:
    pinned = triggered({"rollout": {"pinToNodes": True}}, {"node": {"pinToNodes": True}})
    others = triggered({"rollout": {}}, {"node": {}}, {"announced": {}}, {"object": CRDS})
    assert all(is_pinned(one) for one in pinned.spec.triggers)
    assert not any(is_pinned(one) for one in others.spec.triggers)
