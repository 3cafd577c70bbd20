"""What is done about a config's prober: as (what is seen) -> (what is applied, deleted and said)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import at, config, template

from kubeprobe.api import DiscoverKind, ProbeConfig, ProbeTemplate
from kubeprobe.plan.candidates import Candidate, Spot
from kubeprobe.plan.found import Surroundings
from kubeprobe.plan.owned import Owned, OwnedKind, read_owned
from kubeprobe.plan.pod import Site
from kubeprobe.plan.resident import ResidentPlan, ResidentSeen, name_taken, plan_resident, refused

SITE = Site("http://10.0.0.1:8080")
NOWHERE = Surroundings()
ANY: dict[str, Any] = {"type": "object", "additionalProperties": True}


def resident(words: dict[str, Any] | None = None, **spec: Any) -> ProbeConfig:
    return config(mode="Resident", schedule=None, resident={"interval": "1s", **(words or {})}, **spec)


def plan(
    one: ProbeConfig,
    *owned: Owned,
    of: ProbeTemplate | None = None,
    around: Surroundings | None = NOWHERE,
    settled: dict[str, int] | None = None,
    share: float | None = None,
) -> ResidentPlan:
    of = of or template(modes=["Resident", "Periodic"], params=ANY)
    return plan_resident(ResidentSeen(one, of, {}, around, owned, settled or {}, share), SITE, at(5))


def applied(what: ResidentPlan, uid: str = "uid-main", **status: Any) -> list[Owned]:
    """What a plan applies, as the API server would have it afterwards."""
    owned = []
    for kind, body in what.apply:
        server = {"uid": f"u-{kind}", "resourceVersion": "1", "generation": 1, "ownerReferences": [{"uid": uid}]}
        whole = {**body, "metadata": {**body["metadata"], **server}, "status": status}
        if "spec" in body:
            whole["spec"] = {**body["spec"], "defaulted": True}
        owned.append(read_owned(kind, whole))
    return owned


def said(what: ResidentPlan) -> dict[str, tuple[str, str]]:
    assert what.conditions is not None
    return {one.type: (one.status, one.reason) for one in what.conditions}


def told(one: ProbeConfig, what: ResidentPlan) -> ProbeConfig:
    assert what.conditions is not None
    return one.model_copy(update={"status": one.status.model_copy(update={"conditions": what.conditions})})


def test_a_new_config_has_its_file_first_and_then_its_prober() -> None:
    what = plan(resident())
    assert [kind for kind, _ in what.apply] == ["ConfigMap", "Deployment"]
    assert said(what) == {"Available": ("False", "ProberStarting"), "TargetsFound": ("True", "TargetsFound")}
    assert what.delete == ()


def test_what_is_in_place_is_left_alone_and_said_once() -> None:
    one = resident()
    first = plan(one)
    owned = applied(first, replicas=1, availableReplicas=1)
    second = plan(told(one, first), *owned)
    assert (second.apply, second.delete) == ((), ())
    assert said(second)["Available"] == ("True", "ProberRunning")
    assert plan(told(one, second), *owned).conditions is None


def test_targets_alone_change_the_file_alone() -> None:
    owned = applied(plan(resident({"targets": {"static": [{"name": "a"}]}})))
    (change,) = plan(resident({"targets": {"static": [{"name": "b"}]}}), *owned).apply
    assert change[0] is OwnedKind.CONFIG_MAP


def test_another_rate_changes_both() -> None:
    owned = applied(plan(resident()))
    assert len(plan(resident({"interval": "2s"}), *owned).apply) == 2


def test_what_others_changed_is_applied_again_and_what_the_server_made_of_ours_is_not() -> None:
    config_map, deployment = applied(plan(resident()))
    spec = {**deployment.spec, "replicas": 0}
    changed = Owned(**{**{name: getattr(deployment, name) for name in Owned.__slots__}, "spec": spec})
    assert [kind for kind, _ in plan(resident(), config_map, changed).apply] == ["Deployment"]
    uid, generation = changed.uid, changed.generation
    assert plan(resident(), config_map, changed, settled={uid: generation}).apply == ()
    assert len(plan(resident(), config_map, deployment, settled={uid: generation + 1}).apply) == 1


def test_a_suspended_config_has_none() -> None:
    one = resident()
    first = plan(one)
    owned = applied(first)
    what = plan(told(resident(suspend=True), first), *owned)
    assert (what.apply, what.delete) == ((), tuple(owned))
    assert said(what) == {"Available": ("False", "Suspended")}


def test_another_mode_has_none_and_nothing_is_said_of_it() -> None:
    first = plan(resident())
    owned = applied(first)
    what = plan(told(config(), first), *owned)
    assert (what.apply, what.delete, what.conditions) == ((), tuple(owned), ())


def test_what_is_somebody_elses_is_left_alone() -> None:
    owned = applied(plan(resident()), uid="uid-of-another")
    assert plan(config(), *owned).delete == ()
    assert len(plan(resident(), *owned).apply) == 2


def test_a_config_that_is_going_is_left_to_its_owner_references() -> None:
    going = resident(metadata={"deletionTimestamp": "2026-03-01T12:00:00Z"})
    assert plan(going, *applied(plan(resident()))) == ResidentPlan()


def test_each_node_has_a_daemon_set_and_the_deployment_goes() -> None:
    owned = applied(plan(resident()))
    what = plan(resident({"eachNode": True}), *owned)
    assert [kind for kind, _ in what.apply] == ["DaemonSet"]
    assert [one.kind for one in what.delete] == ["Deployment"]


def test_a_mistake_leaves_the_prober_that_there_is() -> None:
    strict = template(modes=["Resident"], params={"type": "object"})
    wrong = resident(params={"url": "x"})
    owned = applied(plan(resident()), replicas=1, availableReplicas=1)
    what = plan(wrong, *owned, of=strict)
    assert (what.apply, what.delete, said(what)) == ((), (), {"Available": ("True", "ProberRunning")})
    assert said(plan(wrong, of=strict)) == {"Available": ("False", "NotReady")}


def test_a_template_that_does_not_allow_it_any_more_ends_the_prober() -> None:
    owned = applied(plan(resident()))
    what = plan(resident(), *owned, of=template(modes=["Periodic"], params=ANY))
    assert what.delete == tuple(owned)
    assert said(what) == {"Available": ("False", "NotReady")}


def test_a_template_that_is_gone_or_not_for_this_namespace_ends_the_prober() -> None:
    owned = tuple(applied(plan(resident())))
    gone = plan_resident(ResidentSeen(resident(), None, {}, NOWHERE, owned, {}, None), SITE, at(5))
    assert (gone.apply, gone.delete, said(gone)) == ((), owned, {"Available": ("False", "NotReady")})
    elsewhere = template(modes=["Resident"], params=ANY, allowedNamespaces={"matchLabels": {"team": "other"}})
    assert plan(resident(), *owned, of=elsewhere).delete == owned


def test_another_template_rolls_the_prober_and_other_defaults_in_it_change_its_file_too() -> None:
    params = {"type": "object", "properties": {"limit": {"type": "integer", "default": 3}}}
    owned = applied(plan(resident(), of=template(modes=["Resident"], params=params)))
    image = template(modes=["Resident"], params=params, image="registry.example/other@sha256:" + "0" * 64)
    assert [kind for kind, _ in plan(resident(), *owned, of=image).apply] == ["Deployment"]
    params = {"type": "object", "properties": {"limit": {"type": "integer", "default": 4}}}
    both = plan(resident(), *owned, of=template(modes=["Resident"], params=params))
    assert [kind for kind, _ in both.apply] == ["ConfigMap", "Deployment"]


def test_targets_are_not_taken_away_while_what_there_is_is_not_known() -> None:
    what = plan(resident({"targets": {"discover": [{"kind": "Service"}]}}), around=None)
    assert (what.apply, what.delete, said(what)) == ((), (), {"TargetsFound": ("False", "Discovering")})


def test_targets_that_do_not_fit_into_a_config_map_change_nothing() -> None:
    static = [{"name": f"t{number}", "params": {"blob": "x" * 1000}} for number in range(1000)]
    owned = applied(plan(resident()), replicas=1, availableReplicas=1)
    what = plan(resident({"targets": {"static": static}}), *owned)
    assert (what.apply, what.delete) == ((), ())
    assert said(what) == {"TargetsFound": ("False", "TargetsTooLarge"), "Available": ("True", "ProberRunning")}


def test_too_many_targets_are_said_and_the_first_are_probed() -> None:
    spots = tuple(Spot(f"10.0.{number // 250}.{number % 250}") for number in range(1001))
    label = {"kubernetes.io/service-name": "s"}
    one = Candidate(DiscoverKind.ENDPOINT_SLICE, "probes", "s", "u", 1, label, opted_out=False, spots=spots)
    found = Surroundings({DiscoverKind.ENDPOINT_SLICE: [one]})
    what = plan(resident({"targets": {"discover": [{"kind": "EndpointSlice"}]}}), around=found)
    assert len(what.apply) == 2
    assert said(what)["TargetsFound"] == ("False", "TooManyTargets")
    assert what.mistake is not None


def many(number: int) -> Surroundings:
    spots = tuple(Spot(f"10.0.{one // 250}.{one % 250}") for one in range(number))
    one = Candidate(DiscoverKind.ENDPOINT_SLICE, "probes", "s", "u", 1, {}, opted_out=False, spots=spots)
    return Surroundings({DiscoverKind.ENDPOINT_SLICE: [one]})


def test_how_many_are_too_many_is_told_again_only_when_it_is_well_off() -> None:
    one = resident({"targets": {"discover": [{"kind": "EndpointSlice"}]}})
    first = plan(one, around=many(1100))
    one, owned = told(one, first), applied(first)
    assert plan(one, *owned, around=many(1101)).conditions is None
    later = plan(one, *owned, around=many(1300))
    assert later.conditions is not None
    assert "1300 targets are more" in later.conditions[0].message
    assert later.mistake is None  # it stands already
    assert said(plan(one, *owned, around=many(3)))["TargetsFound"] == ("True", "TargetsFound")
    edited = one.model_copy(update={"metadata": one.metadata.model_copy(update={"generation": 2})})
    anew = plan(edited, *owned, around=many(1101))
    assert anew.conditions is not None
    assert "1101 targets are more" in anew.conditions[0].message


def test_targets_that_are_left_out_are_told_once() -> None:
    strict = template(modes=["Resident"], params={"type": "object"})
    one = resident({"targets": {"static": [{"name": "bad", "params": {"url": "x"}}, {"name": "good"}]}})
    first = plan(one, of=strict)
    assert first.mistake is not None
    assert plan(told(one, first), *applied(first), of=strict).conditions is None


def test_a_rate_that_is_not_kept_is_told_and_heard_of_once() -> None:
    one = resident()
    slow = plan(one, share=0.5)
    assert said(slow)["RateKept"] == ("False", "IntervalTooShort")
    assert slow.mistake is not None
    assert slow.mistake.reason == "IntervalTooShort"
    owned = applied(slow, replicas=1, availableReplicas=1)
    still = plan(told(one, slow), *owned, share=0.5)  # the prober is available by now
    assert (said(still)["RateKept"], still.mistake) == (("False", "IntervalTooShort"), None)
    assert plan(told(one, still), *owned, share=0.52).conditions is None
    assert plan(told(one, still), *owned, share=None).conditions is None
    assert said(plan(told(one, still), *owned, share=1.0))["RateKept"] == ("True", "RateKept")


def test_of_the_rate_is_said_what_holds_for_the_prober_that_there_is() -> None:
    strict = template(modes=["Resident"], params={"type": "object"})
    slow = plan(resident(), share=0.5)
    owned = applied(slow)
    wrong = plan(told(resident(params={"url": "x"}), slow), *owned, of=strict, share=1.0)
    assert said(wrong)["RateKept"] == ("True", "RateKept")
    none = plan(told(resident(params={"url": "x"}), slow), of=strict, share=0.5)
    assert said(none) == {"Available": ("False", "NotReady")}
    static = [{"name": f"t{number}", "params": {"blob": "x" * 1000}} for number in range(1000)]
    large = plan(resident({"targets": {"static": static}}), *owned, share=0.5)
    assert (said(large)["RateKept"][0], large.mistake and large.mistake.reason) == ("False", "TargetsTooLarge")
    paused = plan(told(resident(suspend=True), slow), *owned, share=0.5)
    assert said(paused) == {"Available": ("False", "Suspended")}


@pytest.mark.parametrize(
    ("each_node", "status", "expected"),
    [
        (False, {}, ("False", "ProberStarting")),
        (False, {"conditions": [{"type": "ReplicaFailure", "status": "True"}]}, ("False", "ProberUnavailable")),
        (False, {"replicas": 2, "availableReplicas": 1}, ("True", "ProberRunning")),
        (True, {"desiredNumberScheduled": 3, "numberAvailable": 2}, ("False", "ProberUnavailable")),
        (True, {"desiredNumberScheduled": 3, "numberAvailable": 3}, ("True", "ProberRunning")),
    ],
)
def test_whether_there_is_a_prober_is_its_controllers_to_say(
    each_node: bool, status: dict[str, Any], expected: tuple[str, str]
) -> None:
    one = resident({"eachNode": each_node})
    assert said(plan(one, *applied(plan(one), **status)))["Available"] == expected


def test_what_the_api_server_has_against_it_is_said() -> None:
    one = resident()
    (condition,) = refused(one, OwnedKind.DEPLOYMENT, "exceeded quota: pods", at(5)) or ()
    assert (condition.type, condition.status, condition.reason) == ("Available", "False", "Refused")
    assert "Deployment main-resident was not taken by the API server: exceeded quota: pods" in condition.message
    (condition,) = name_taken(one, OwnedKind.CONFIG_MAP, at(5)) or ()
    assert (condition.reason, "ConfigMap main-resident" in condition.message) == ("NameTaken", True)
