from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import config, on_demand, run, template

from kubeprobe.api import DeliveryFailure, ProbeConfig, ProbeTemplate
from kubeprobe.plan.resolve import MISTAKES, Mistake, Work, of_config, of_run

PARAMS = {
    "type": "object",
    "required": ["host"],
    "properties": {"host": {"type": "string"}, "port": {"type": "integer", "default": 2379}},
}
GOLD = {"matchLabels": {"tier": "gold"}}
ETCD = template(params=PARAMS, timeout="30s", deliveryFailure="Failed")


def working(found: Work | Mistake) -> Work:
    assert isinstance(found, Work), found
    return found


def test_the_config_lies_over_the_template() -> None:
    own: dict[str, Any] = {
        "timeout": "5s",
        "deliveryFailure": "Unknown",
        "podOverrides": {"nodeSelector": {"zone": "a"}},
    }
    work = working(of_config(config(params={"host": "a"}, **own), ETCD, {}))
    assert (work.config_name, work.template) == ("main", ETCD)
    assert work.params == {"host": "a", "port": 2379}
    assert (work.timeout_seconds, work.delivery) == (5, DeliveryFailure.UNKNOWN)
    assert work.overrides.node_selector == {"zone": "a"}


def test_what_the_config_does_not_say_is_the_templates() -> None:
    work = working(of_config(config(params={"host": "a"}), ETCD, {}))
    assert (work.timeout_seconds, work.delivery) == (30, DeliveryFailure.FAILED)
    assert work.overrides.node_selector == {}


def test_a_run_of_a_config_is_its_configs_work() -> None:
    one = config(params={"host": "a"})
    assert of_run(run(), one, ETCD, {}) == of_config(one, ETCD, {})


def test_a_run_for_itself_has_its_own_words() -> None:
    own: dict[str, Any] = {"params": {"host": "b"}, "timeout": "5s", "deliveryFailure": "Unknown"}
    overrides: dict[str, Any] = {"podOverrides": {"nodeSelector": {"zone": "b"}}}
    work = working(of_run(run(templateRef={"name": "etcd"}, **own, **overrides), None, ETCD, {}))
    assert (work.config_name, work.params) == ("", {"host": "b", "port": 2379})
    assert (work.timeout_seconds, work.delivery) == (5, DeliveryFailure.UNKNOWN)
    assert work.overrides.node_selector == {"zone": "b"}
    plain = working(of_run(run(templateRef={"name": "etcd"}, params={"host": "b"}), None, ETCD, {}))
    assert (plain.timeout_seconds, plain.delivery) == (30, DeliveryFailure.FAILED)


HOST = {"host": "a"}
MISTAKEN: list[tuple[ProbeConfig, ProbeTemplate | None, str, str]] = [
    (config(), None, "TemplateNotFound", "spec.templateRef.name: there is no ProbeTemplate 'etcd'"),
    (
        config(),
        template(allowedNamespaces=GOLD),
        "TemplateNotAllowed",
        "ProbeTemplate 'etcd' may not be used in namespace 'probes'",
    ),
    (
        config(params=HOST),
        template(params=PARAMS, modes=["OnDemand"]),
        "ModeNotAllowed",
        "does not run in mode Periodic; it allows OnDemand",
    ),
    (on_demand(params=HOST), template(params=PARAMS, modes=["Periodic"]), "ModeNotAllowed", "in mode OnDemand"),
    (config(params=HOST, schedule={"cron": "never"}), ETCD, "InvalidSchedule", "spec.schedule.cron: 'never'"),
    (
        config(params=HOST, retries={"limit": 3, "delay": "20s"}),
        ETCD,
        "InvalidRetries",
        "spec.retries: 3 times a delay of 20s do not fit into the 60s from one run to the next",
    ),
    (
        config(params=HOST, maintenance=[{"cron": "0 * * * *", "duration": "90m"}]),
        ETCD,
        "InvalidMaintenance",
        "spec.maintenance[0].duration: the window is open for 90m",
    ),
    (config(), ETCD, "InvalidParams", "(schema: ProbeTemplate 'etcd', spec.params)"),
    (config(params={"host": 1, "prot": 2}), ETCD, "InvalidParams", "spec.params"),
]


@pytest.mark.parametrize(("one", "of", "reason", "says"), MISTAKEN)
def test_a_mistake_is_named_once_and_also_for_its_runs(
    one: ProbeConfig, of: ProbeTemplate | None, reason: str, says: str
) -> None:
    found = of_config(one, of, {"tier": "silver"})
    assert isinstance(found, Mistake)
    assert found.reason == reason
    assert reason in MISTAKES
    assert says in found.message
    assert of_run(run(), one, of, {"tier": "silver"}) == found


def test_a_namespace_that_is_selected_may_use_the_template() -> None:
    gold = template(allowedNamespaces=GOLD)
    assert isinstance(of_config(config(), gold, {"tier": "gold"}), Work)
    assert isinstance(of_config(config(), gold, None), Mistake)
    assert isinstance(of_config(config(), template(), None), Work)


RUN_MISTAKES: list[tuple[dict[str, Any], ProbeTemplate | None, str, str]] = [
    ({}, ETCD, "ConfigNotFound", "spec.configRef.name: there is no ProbeConfig 'main' in namespace 'probes'"),
    ({"templateRef": {"name": "etcd"}}, None, "TemplateNotFound", "there is no ProbeTemplate 'etcd'"),
    ({"templateRef": {"name": "etcd"}}, template(allowedNamespaces=GOLD), "TemplateNotAllowed", "may not be used"),
    ({"templateRef": {"name": "etcd"}}, template(modes=["Periodic"]), "ModeNotAllowed", "in mode OnDemand"),
    ({"templateRef": {"name": "etcd"}}, ETCD, "InvalidParams", "host"),
]


@pytest.mark.parametrize(("spec", "of", "reason", "says"), RUN_MISTAKES)
def test_a_mistaken_run_is_told_what_to_change(
    spec: dict[str, Any], of: ProbeTemplate | None, reason: str, says: str
) -> None:
    found = of_run(run(**spec), None, of, {})
    assert isinstance(found, Mistake)
    assert found.reason == reason
    assert reason in MISTAKES
    assert says in found.message


def test_a_resident_config_has_no_runs_and_says_where_its_answer_is() -> None:
    one = config(mode="Resident", schedule=None, resident={"interval": "1s"})
    mistake = of_run(run(), one, template(modes=["Resident"]), {})
    assert isinstance(mistake, Mistake)
    assert (mistake.reason, "read its ProbeResult instead" in mistake.message) == ("ModeNotAllowed", True)


def test_params_that_only_targets_complete_are_no_mistake_of_a_resident_config() -> None:
    schema = {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}}
    probes = template(modes=["Resident"], params=schema)
    shared = {"interval": "1s", "targets": {"static": [{"name": "a"}]}}
    assert isinstance(of_config(config(mode="Resident", schedule=None, resident=shared), probes, {}), Work)
    alone = config(mode="Resident", schedule=None, resident={"interval": "1s"})
    assert isinstance(of_config(alone, probes, {}), Mistake)
