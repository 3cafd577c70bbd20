"""ProbeTemplate: a registered image, what it takes, and who may use it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from kubeprobe.api.base import API_VERSION, ApiModel, described
from kubeprobe.api.common import Condition, DeliveryFailure, LabelSelector, Mode
from kubeprobe.api.duration import Duration, between
from kubeprobe.api.meta import ObjectMeta
from kubeprobe.api.pod import EnvVar, Resources
from kubeprobe.api.resource import Column, Crd
from kubeprobe.api.rules import Rule
from kubeprobe.api.volumes import BY_NAME, BY_PATH, VolumeMounts, Volumes

TIMEOUT_BOUNDS = between("1s", "24h")


def _of_objects(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") != "object":
        raise ValueError("parameters are an object: write 'type: object', and the parameters under 'properties'")
    return schema


ParamsSchema = Annotated[
    dict[str, Any],
    AfterValidator(_of_objects),
    WithJsonSchema(
        {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "required": ["type"],
            "properties": {
                "type": {"type": "string", "enum": ["object"], "description": "Always object: parameters have names."}
            },
        }
    ),
]


class ProbeTemplateSpec(ApiModel):
    """What may run, with which parameters, for whom."""

    rules = (
        Rule(
            cel="!has(self.volumeMounts) || self.volumeMounts.all(mount, "
            "has(self.volumes) && self.volumes.exists(volume, volume.name == mount.name))",
            check=lambda self: {mount.name for mount in self.volume_mounts} <= {volume.name for volume in self.volumes},
            message="every volumeMount must name one of spec.volumes: add the volume, or correct the mount's name",
            field="volumeMounts",
        ),
    )

    image: str = Field(
        min_length=1,
        max_length=1024,
        description="Image of the probe, best pinned by digest: registry.example/team/probe@sha256:…",
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        "IfNotPresent",
        description="When the kubelet pulls the image: Always, IfNotPresent (the default) or Never.",
    )
    command: tuple[str, ...] = Field(
        (), max_length=50, description="Program and arguments, in place of the image's entry point; absent for that."
    )
    args: tuple[str, ...] = Field(
        (),
        max_length=100,
        description="Arguments; $(PARAM_NAME) stands for the scalar parameter called name, $(KUBEPROBE_RUN) and the "
        "like for what kubeprobe tells every probe.",
    )
    modes: tuple[Mode, ...] = Field(
        (Mode.PERIODIC, Mode.ON_DEMAND),
        min_length=1,
        max_length=3,
        **described(
            "Modes that configs may use: Periodic (on a schedule), OnDemand (when asked for) and Resident (a prober "
            "that stays, for probes made for it); the first two by default.",
            list_type="set",
        ),
    )
    params: ParamsSchema = Field(
        {"type": "object"},
        description="OpenAPI v3 schema of the parameters that the probe takes. A config's params are checked against "
        "it, and its defaults filled in, before any pod starts. Names that it does not list are refused unless it says "
        "additionalProperties. By default the probe takes no parameters.",
    )
    delivery_failure: DeliveryFailure = Field(
        DeliveryFailure.UNKNOWN,
        description="What it says about the target when the probe's pod cannot be started: Failed where the way of a "
        "pod into the cluster is what is tested, Unknown (the default) where it says nothing.",
    )
    env: tuple[EnvVar, ...] = Field((), max_length=50, **described("Environment variables of the probe.", **BY_NAME))
    resources: Resources | None = Field(None, description="Resources of the probe's container.")
    timeout: Annotated[Duration, TIMEOUT_BOUNDS] = Field(
        Duration("60s"),
        description="How long a run may take from the creation of its pod to its outcome, unless the config says "
        "otherwise: 1s to 24h, 60s by default.",
    )
    service_account_name: str = Field(
        "",
        max_length=253,
        description="Service account, in the config's namespace, that the probe acts as; empty (the default) for none: "
        "the pod then has no token for the API server.",
    )
    allowed_namespaces: LabelSelector = Field(
        default_factory=LabelSelector,
        description="Namespaces, by their labels, whose configs and runs may use this template; absent or empty: all.",
    )
    discover_namespaces: LabelSelector | None = Field(
        None,
        description="Namespaces, by their labels, in which resident probers may find targets, besides the config's "
        "own; an empty selector: in all; absent (the default): in no other.",
    )
    volumes: Volumes = Field((), **described("Volumes of the probe's pod, besides its own /tmp.", **BY_NAME))
    volume_mounts: VolumeMounts = Field((), **described("Where the probe sees the volumes.", **BY_PATH))


class ProbeTemplateStatus(ApiModel):
    """Whether the template can be used; written by the operator."""

    observed_generation: int | None = Field(None, description="The metadata.generation that this status is about.")
    conditions: tuple[Condition, ...] = Field(
        (),
        **described(
            "Ready: whether configs can use this template, and if not, why.",
            list_type="map",
            list_map_keys=["type"],
        ),
    )


class ProbeTemplate(ApiModel):
    """A registered probe image: what may run, with which parameters, for whom."""

    crd: ClassVar[Crd] = Crd(
        plural="probetemplates",
        short_names=("pt",),
        namespaced=False,
        columns=(
            Column("Image", ".spec.image"),
            Column("Modes", ".spec.modes"),
            Column("Timeout", ".spec.timeout"),
            Column("Delivery", ".spec.deliveryFailure"),
            Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    )

    api_version: Literal["kubeprobe.io/v1alpha1"] = Field(API_VERSION, description="Always kubeprobe.io/v1alpha1.")
    kind: Literal["ProbeTemplate"] = Field("ProbeTemplate", description="Always ProbeTemplate.")
    metadata: ObjectMeta = Field(description="Metadata of the object.")
    spec: ProbeTemplateSpec = Field(description="What may run, with which parameters, for whom.")
    status: ProbeTemplateStatus = Field(
        default_factory=ProbeTemplateStatus, description="Whether the template can be used; written by the operator."
    )
