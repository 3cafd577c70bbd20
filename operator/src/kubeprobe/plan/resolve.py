"""What a run would execute: template and config laid over each other, or the user's mistake that prevents it.

A config's Ready condition and a run's pod come from the same resolution, so that what is called accepted also runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubeprobe.api import DeliveryFailure, Mode, PodOverrides, ProbeConfig, ProbeConfigSpec, ProbeRun, ProbeTemplate
from kubeprobe.plan.maintenance import maintenance_error
from kubeprobe.plan.params import check_params
from kubeprobe.plan.schedule import schedule_error, shortest_seconds
from kubeprobe.plan.selector import matches

MISTAKES = frozenset(
    {
        "ConfigNotFound",
        "TemplateNotFound",
        "TemplateNotAllowed",
        "ModeNotAllowed",
        "InvalidSchedule",
        "InvalidRetries",
        "InvalidMaintenance",
        "InvalidParams",
    }
)
"""The reasons of all mistakes."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What a user has to change: a condition's reason, and a message that names the field and the way out."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Work:
    """A run's work, complete: everything that its pod is built from, the run itself apart."""

    template: ProbeTemplate
    config_name: str
    params: Mapping[str, Any]
    timeout_seconds: float
    delivery: DeliveryFailure
    overrides: PodOverrides


def of_config(
    config: ProbeConfig, template: ProbeTemplate | None, namespace_labels: Mapping[str, str] | None
) -> Work | Mistake:
    """The work of a config's runs.

    Args:
        config: the config.
        template: the template that it names, if there is one.
        namespace_labels: the labels of the config's namespace; None when they are not known.
    """
    spec = config.spec
    found = _usable(spec.template_ref.name, template, config.metadata.namespace, namespace_labels, "spec.templateRef")
    if isinstance(found, Mistake):
        return found
    if spec.mode not in found.spec.modes:
        return _mode_mistake(spec.mode, found)
    if (mistake := time_mistake(spec)) is not None:
        return mistake
    params = _shared_params(found, spec) if _has_targets(spec) else _params(found, spec.params)
    if isinstance(params, Mistake):
        return params
    return Work(
        template=found,
        config_name=config.metadata.name,
        params=params,
        timeout_seconds=(spec.timeout or found.spec.timeout).seconds,
        delivery=spec.delivery_failure or found.spec.delivery_failure,
        overrides=spec.pod_overrides or PodOverrides(),
    )


def of_run(
    run: ProbeRun,
    config: ProbeConfig | None,
    template: ProbeTemplate | None,
    namespace_labels: Mapping[str, str] | None,
) -> Work | Mistake:
    """The work of one run: its config's, or its own when it names a template itself."""
    spec = run.spec
    if spec.config_ref is not None:
        if config is None:
            return Mistake(
                "ConfigNotFound",
                f"spec.configRef.name: there is no ProbeConfig {spec.config_ref.name!r} in namespace "
                f"{run.metadata.namespace!r}; create it, or name one that 'kubectl get probeconfigs' lists",
            )
        return _resident_mistake(config) or of_config(config, template, namespace_labels)
    assert spec.template_ref is not None
    found = _usable(spec.template_ref.name, template, run.metadata.namespace, namespace_labels, "spec.templateRef")
    if isinstance(found, Mistake):
        return found
    if Mode.ON_DEMAND not in found.spec.modes:
        return _mode_mistake(Mode.ON_DEMAND, found)
    params = _params(found, spec.params or {})
    if isinstance(params, Mistake):
        return params
    return Work(
        template=found,
        config_name="",
        params=params,
        timeout_seconds=(spec.timeout or found.spec.timeout).seconds,
        delivery=spec.delivery_failure or found.spec.delivery_failure,
        overrides=spec.pod_overrides or PodOverrides(),
    )


def _usable(
    name: str,
    template: ProbeTemplate | None,
    namespace: str,
    namespace_labels: Mapping[str, str] | None,
    field: str,
) -> ProbeTemplate | Mistake:
    if template is None:
        return Mistake(
            "TemplateNotFound",
            f"{field}.name: there is no ProbeTemplate {name!r}; ask the platform team to register it, or name one "
            "that 'kubectl get probetemplates' lists",
        )
    if not matches(template.spec.allowed_namespaces, namespace_labels or {}):
        return Mistake(
            "TemplateNotAllowed",
            f"{field}.name: ProbeTemplate {name!r} may not be used in namespace {namespace!r}: its "
            "spec.allowedNamespaces does not select the namespace's labels; ask the platform team to allow it",
        )
    return template


def time_mistake(spec: ProbeConfigSpec) -> Mistake | None:
    """What is wrong with the parts of a config that speak of time."""
    if spec.schedule is not None:
        if (error := schedule_error(spec.schedule)) is not None:
            return Mistake("InvalidSchedule", error)
        waiting, between = spec.retries.limit * spec.retries.delay.seconds, shortest_seconds(spec.schedule)
        if spec.retries.limit and waiting >= between:
            return Mistake(
                "InvalidRetries",
                f"spec.retries: {spec.retries.limit} times a delay of {spec.retries.delay} do not fit into the "
                f"{between:g}s from one run to the next; write a lower limit or a shorter delay",
            )
    if (error := maintenance_error(spec.maintenance)) is not None:
        return Mistake("InvalidMaintenance", error)
    return None


def _mode_mistake(mode: Mode, template: ProbeTemplate) -> Mistake:
    allowed = ", ".join(template.spec.modes)
    return Mistake(
        "ModeNotAllowed",
        f"spec.mode: ProbeTemplate {template.metadata.name!r} does not run in mode {mode}; it allows {allowed}",
    )


def _resident_mistake(config: ProbeConfig) -> Mistake | None:
    if config.spec.mode is not Mode.RESIDENT:
        return None
    return Mistake(
        "ModeNotAllowed",
        f"spec.configRef.name: ProbeConfig {config.metadata.name!r} is in mode Resident: its prober probes all the "
        "time, and it has no runs; read its ProbeResult instead",
    )


def _has_targets(spec: ProbeConfigSpec) -> bool:
    return spec.resident is not None and spec.resident.targets is not None


def _shared_params(template: ProbeTemplate, spec: ProbeConfigSpec) -> Mapping[str, Any]:
    """What all targets of a resident prober share; each is checked together with its own, by which it is complete."""
    return check_params(dict(template.spec.params), dict(spec.params)).values


def _params(template: ProbeTemplate, params: Mapping[str, Any]) -> Mapping[str, Any] | Mistake:
    checked = check_params(dict(template.spec.params), dict(params))
    if checked.errors:
        shown = "; ".join(checked.errors)
        return Mistake("InvalidParams", f"{shown} (schema: ProbeTemplate {template.metadata.name!r}, spec.params)")
    return checked.values
