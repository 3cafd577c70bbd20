"""The API server's AdmissionReview, as far as anybody here reads it, and the one that answers it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from kubeprobe.plan.admission import Ruling


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class Requester(_Model):
    """Whose request it is."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class AskedKind(_Model):
    """What kind of object."""

    kind: str


class Asked(_Model):
    """What is to be created or changed, and by whom."""

    uid: str
    kind: AskedKind
    namespace: str = ""
    name: str = ""
    user_info: Requester = Requester()
    object: dict[str, Any] = Field(default_factory=dict)
    old_object: dict[str, Any] | None = None
    dry_run: bool = False


class Review(_Model):
    """The request as it comes."""

    api_version: Literal["admission.k8s.io/v1"]
    kind: Literal["AdmissionReview"]
    request: Asked


def answered(uid: str, ruling: Ruling) -> dict[str, Any]:
    """The review that goes back."""
    response: dict[str, Any] = {"uid": uid, "allowed": not ruling.denied}
    if ruling.denied:
        response["status"] = {"code": HTTPStatus.FORBIDDEN, "reason": "Forbidden", "message": ruling.denied}
    if ruling.warnings:
        response["warnings"] = ruling.warnings
    if ruling.audit:
        response["auditAnnotations"] = ruling.audit
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
