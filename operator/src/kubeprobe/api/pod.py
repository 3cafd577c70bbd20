"""What templates and configs may say about the probe's pod: its environment, resources, placement and volumes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kubeprobe.api.base import ApiModel, described
from kubeprobe.api.quantity import Quantity
from kubeprobe.api.rules import Rule
from kubeprobe.api.volumes import BY_NAME, BY_PATH, FieldRef, VolumeMounts, Volumes

ENV_NAME = "^[A-Za-z_][A-Za-z0-9_.-]*$"
SOURCES = ("secret_key_ref", "config_map_key_ref", "field_ref")


class KeyRef(ApiModel):
    """One key of a ConfigMap or Secret."""

    name: str = Field(min_length=1, description="Name of the ConfigMap or Secret, in the probe's namespace.")
    key: str = Field(min_length=1, description="The key.")
    optional: bool | None = Field(None, description="Whether the pod starts when it is not there.")


class EnvSource(ApiModel):
    """Where a variable's value comes from."""

    rules = (
        Rule(
            cel="[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef)].exists_one(one, one)",
            check=lambda self: sum(getattr(self, name) is not None for name in SOURCES) == 1,
            message="set exactly one of secretKeyRef, configMapKeyRef and fieldRef",
        ),
    )

    secret_key_ref: KeyRef | None = Field(None, description="A key of a Secret.")
    config_map_key_ref: KeyRef | None = Field(None, description="A key of a ConfigMap.")
    field_ref: FieldRef | None = Field(None, description="A field of the probe pod.")


class EnvVar(ApiModel):
    """One environment variable of the probe."""

    rules = (
        Rule(
            cel="!self.name.startsWith('KUBEPROBE_')",
            check=lambda self: not self.name.startswith("KUBEPROBE_"),
            message="names that begin with KUBEPROBE_ are set by kubeprobe itself: choose another name",
            field="name",
        ),
        Rule(
            cel="!(has(self.value) && has(self.valueFrom))",
            check=lambda self: self.value is None or self.value_from is None,
            message="set value or valueFrom, not both",
        ),
    )

    name: str = Field(pattern=ENV_NAME, max_length=253, description="Name; not one that begins with KUBEPROBE_.")
    value: str | None = Field(None, description="Value; $(NAME) stands for a variable set before this one.")
    value_from: EnvSource | None = Field(None, description="Where the value comes from, instead of value.")


class Resources(ApiModel):
    """What the probe's container asks for and may use at most."""

    requests: dict[str, Quantity] = Field(
        default_factory=dict,
        max_length=10,
        description="What the scheduler sets aside, such as cpu: 50m, memory: 64Mi.",
    )
    limits: dict[str, Quantity] = Field(
        default_factory=dict, max_length=10, description="The most that the probe may use, such as memory: 128Mi."
    )


class Toleration(ApiModel):
    """A taint that the probe's pod does not mind."""

    rules = (
        Rule(
            cel="!has(self.operator) || self.operator != 'Exists' || !has(self.value) || self.value == ''",
            check=lambda self: self.operator != "Exists" or not self.value,
            message="the operator Exists takes no value: leave value out, or use the operator Equal",
            field="value",
        ),
        Rule(
            cel="(has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')",
            check=lambda self: bool(self.key) or self.operator == "Exists",
            message="without a key the operator must be Exists, which tolerates every taint",
            field="key",
        ),
        Rule(
            cel="!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            check=lambda self: self.toleration_seconds is None or self.effect == "NoExecute",
            message="tolerationSeconds goes with the effect NoExecute only",
            field="tolerationSeconds",
        ),
    )

    key: str | None = Field(None, max_length=317, description="The taint's key; absent for every taint.")
    operator: Literal["Equal", "Exists"] | None = Field(
        None, description="Equal compares the taint's value, Exists takes any; Equal if absent."
    )
    value: str | None = Field(None, max_length=63, description="The taint's value, for Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="The taint's effect; absent for every effect."
    )
    toleration_seconds: int | None = Field(
        None, description="For NoExecute: how long the pod stays on a node that gets the taint, in seconds; absent: on."
    )


class PodOverrides(ApiModel):
    """What a config says about its probe's pod beyond the template."""

    service_account_name: str = Field(
        "",
        max_length=253,
        description="Service account that the probe acts as, in place of the template's; empty for the template's.",
    )
    node_selector: dict[str, str] = Field(
        default_factory=dict, max_length=20, description="Labels of the nodes that the pod may run on."
    )
    tolerations: tuple[Toleration, ...] = Field((), max_length=20, description="Taints that the pod does not mind.")
    resources: Resources | None = Field(None, description="Resources in place of the template's.")
    labels: dict[str, str] = Field(default_factory=dict, max_length=20, description="More labels for the pod.")
    annotations: dict[str, str] = Field(
        default_factory=dict, max_length=20, description="More annotations for the pod."
    )
    volumes: Volumes = Field((), **described("More volumes, besides the template's.", **BY_NAME))
    volume_mounts: VolumeMounts = Field(
        (), **described("More mounts, of the template's volumes or of those given here.", **BY_PATH)
    )
    env: tuple[EnvVar, ...] = Field(
        (),
        max_length=50,
        **described("More environment variables; one of the template's name replaces the template's.", **BY_NAME),
    )
