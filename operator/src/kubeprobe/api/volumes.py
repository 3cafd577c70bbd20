"""The volumes that a probe pod may have: configuration and scratch space, nothing of the node's and nothing durable."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kubeprobe.api.base import ApiModel
from kubeprobe.api.quantity import Quantity
from kubeprobe.api.rules import Rule

TOKEN_VOLUME = "kubeprobe-token"  # noqa: S105 - the name of a volume, not a secret
TOKEN_DIRECTORY = "/var/run/secrets/kubeprobe"  # noqa: S105 - a path, not a secret
OWN_VOLUMES = (TOKEN_VOLUME, "tmp")
OWN_DIRECTORIES = (TOKEN_DIRECTORY, "/tmp")  # noqa: S108 - the probe pod's own
SOURCES = ("config_map", "secret", "empty_dir", "projected")
PROJECTIONS = ("config_map", "secret", "downward_api", "service_account_token")

FileMode = Annotated[int, Field(ge=0, le=0o777)]


class KeyToPath(ApiModel):
    """One key of a ConfigMap or Secret as a file."""

    key: str = Field(min_length=1, description="The key.")
    path: str = Field(min_length=1, description="The file's path, relative to the volume.")
    mode: FileMode | None = Field(None, description="The file's permission bits, as a decimal number (420 is 0644).")


class ConfigMapVolume(ApiModel):
    """A ConfigMap's keys as files."""

    name: str = Field(min_length=1, description="Name of the ConfigMap, in the probe's namespace.")
    items: tuple[KeyToPath, ...] = Field((), max_length=50, description="Only these keys; absent: all of them.")
    default_mode: FileMode | None = Field(
        None, description="The files' permission bits, as a decimal number; 420 (0644) if absent."
    )
    optional: bool | None = Field(None, description="Whether the pod starts when the ConfigMap is not there.")


class SecretVolume(ApiModel):
    """A Secret's keys as files."""

    secret_name: str = Field(min_length=1, description="Name of the Secret, in the probe's namespace.")
    items: tuple[KeyToPath, ...] = Field((), max_length=50, description="Only these keys; absent: all of them.")
    default_mode: FileMode | None = Field(
        None, description="The files' permission bits, as a decimal number; 420 (0644) if absent."
    )
    optional: bool | None = Field(None, description="Whether the pod starts when the Secret is not there.")


class EmptyDirVolume(ApiModel):
    """Scratch space that goes with the pod."""

    medium: Literal["", "Memory"] | None = Field(
        None, description="Memory for a file system in memory; absent for the node's disk."
    )
    size_limit: Quantity | None = Field(None, description="Most that it may hold, such as 64Mi; absent: no limit.")


class SecretProjection(ApiModel):
    """A Secret's keys as files of a projected volume."""

    name: str = Field(min_length=1, description="Name of the Secret, in the probe's namespace.")
    items: tuple[KeyToPath, ...] = Field((), max_length=50, description="Only these keys; absent: all of them.")
    optional: bool | None = Field(None, description="Whether the pod starts when the Secret is not there.")


class ConfigMapProjection(ApiModel):
    """A ConfigMap's keys as files of a projected volume."""

    name: str = Field(min_length=1, description="Name of the ConfigMap, in the probe's namespace.")
    items: tuple[KeyToPath, ...] = Field((), max_length=50, description="Only these keys; absent: all of them.")
    optional: bool | None = Field(None, description="Whether the pod starts when the ConfigMap is not there.")


class FieldRef(ApiModel):
    """A field of the probe pod itself."""

    field_path: str = Field(min_length=1, description="The field, such as spec.nodeName or status.podIP.")


class DownwardItem(ApiModel):
    """One field of the pod as a file."""

    path: str = Field(min_length=1, description="The file's path, relative to the volume.")
    field_ref: FieldRef = Field(description="The field that the file holds.")


class DownwardProjection(ApiModel):
    """Fields of the pod as files of a projected volume."""

    items: tuple[DownwardItem, ...] = Field(min_length=1, max_length=20, description="The files.")


class TokenProjection(ApiModel):
    """A token of the pod's service account as a file of a projected volume."""

    audience: str | None = Field(None, description="Whom the token is for; the API server if absent.")
    expiration_seconds: int | None = Field(
        None, ge=600, description="How long the token is valid, in seconds; 3600 if absent. The kubelet renews it."
    )
    path: str = Field(min_length=1, description="The file's path, relative to the volume.")


class Projection(ApiModel):
    """One source of a projected volume."""

    rules = (
        Rule(
            cel="[has(self.configMap), has(self.secret), has(self.downwardAPI), "
            "has(self.serviceAccountToken)].exists_one(one, one)",
            check=lambda self: _count(self, PROJECTIONS) == 1,
            message="set exactly one of configMap, secret, downwardAPI and serviceAccountToken",
        ),
    )

    config_map: ConfigMapProjection | None = Field(None, description="Keys of a ConfigMap.")
    secret: SecretProjection | None = Field(None, description="Keys of a Secret.")
    downward_api: DownwardProjection | None = Field(None, alias="downwardAPI", description="Fields of the pod.")
    service_account_token: TokenProjection | None = Field(
        None, description="A token of the pod's service account, for another audience than the API server, say."
    )


class ProjectedVolume(ApiModel):
    """Several sources in one volume."""

    sources: tuple[Projection, ...] = Field(min_length=1, max_length=20, description="What the volume is made of.")
    default_mode: FileMode | None = Field(
        None, description="The files' permission bits, as a decimal number; 420 (0644) if absent."
    )


class Volume(ApiModel):
    """One volume of the probe pod."""

    rules = (
        Rule(
            cel="[has(self.configMap), has(self.secret), has(self.emptyDir), has(self.projected)].exists_one(one, one)",
            check=lambda self: _count(self, SOURCES) == 1,
            message="set exactly one of configMap, secret, emptyDir and projected: probes get no other kinds of volume",
        ),
        Rule(
            cel="!(self.name in ['kubeprobe-token', 'tmp'])",
            check=lambda self: self.name not in OWN_VOLUMES,
            message="kubeprobe-token and tmp are volumes that every probe pod has already: choose another name",
            field="name",
        ),
    )

    name: str = Field(
        pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63, description="Name, for volumeMounts to refer to."
    )
    config_map: ConfigMapVolume | None = Field(None, description="A ConfigMap's keys as files.")
    secret: SecretVolume | None = Field(None, description="A Secret's keys as files.")
    empty_dir: EmptyDirVolume | None = Field(None, description="Scratch space that goes with the pod.")
    projected: ProjectedVolume | None = Field(None, description="Several sources in one volume.")


class VolumeMount(ApiModel):
    """Where the probe's container sees a volume."""

    rules = (
        Rule(
            cel="!(self.mountPath in ['/var/run/secrets/kubeprobe', '/tmp'])",
            check=lambda self: self.mount_path not in OWN_DIRECTORIES,
            message="every probe pod has its own /tmp and /var/run/secrets/kubeprobe already: choose another path",
            field="mountPath",
        ),
    )

    name: str = Field(min_length=1, max_length=63, description="Name of the volume.")
    mount_path: str = Field(
        min_length=1, max_length=1024, pattern="^[^:]*$", description="Path in the container; it may not contain ':'."
    )
    sub_path: str | None = Field(None, description="Path inside the volume to mount; its root if absent.")
    read_only: bool | None = Field(None, description="Whether the probe may only read; false if absent.")


Volumes = Annotated[tuple[Volume, ...], Field(max_length=20)]
VolumeMounts = Annotated[tuple[VolumeMount, ...], Field(max_length=20)]
BY_NAME = {"list_type": "map", "list_map_keys": ["name"]}
BY_PATH = {"list_type": "map", "list_map_keys": ["mountPath"]}


def _count(model: ApiModel, names: tuple[str, ...]) -> int:
    return sum(getattr(model, name) is not None for name in names)
