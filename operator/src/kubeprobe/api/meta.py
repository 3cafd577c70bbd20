"""The part of Kubernetes' object metadata that kubeprobe reads or writes."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field

from kubeprobe.api.base import ApiModel, Time

NOT_CREATED = datetime(1970, 1, 1, tzinfo=UTC)
"""The creation time of an object that no API server has created yet, such as one read from a file."""


class OwnerReference(ApiModel):
    """Another object that this one belongs to and is deleted with."""

    api_version: str = Field(description="Group and version of the owner.")
    kind: str = Field(description="Kind of the owner.")
    name: str = Field(description="Name of the owner.")
    uid: str = Field(description="UID of the owner.")
    controller: bool | None = Field(None, description="Whether the owner manages this object.")
    block_owner_deletion: bool | None = Field(
        None, description="Whether the owner cannot be deleted in the foreground before this object."
    )


class ObjectMeta(ApiModel):
    """Metadata of an object."""

    name: str = Field("", description="Name, unique in its namespace and kind.")
    namespace: str = Field("", description="Namespace; empty for cluster-scoped objects.")
    uid: str = Field("", description="What tells this object from an earlier one of the same name.")
    resource_version: str = Field("", description="Version of the object as stored.")
    generation: int | None = Field(None, description="Number of the spec's version; grows with every change of it.")
    creation_timestamp: Time = Field(NOT_CREATED, description="When the object was created.")
    deletion_timestamp: Time | None = Field(None, description="When the object was asked to go; absent while it stays.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels, for selecting.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations, for tools and people.")
    owner_references: tuple[OwnerReference, ...] = Field((), description="Objects that this one belongs to.")
