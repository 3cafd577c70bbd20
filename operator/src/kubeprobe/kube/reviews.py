"""Who the bearer of a token is, and what they may do with gates: asked of the API server, which alone knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubeprobe.api import GROUP
from kubeprobe.kube.port import GATES, Api, Resource

TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews")
ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "subjectaccessreviews")


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whom the cluster knows."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


class ClusterReviews:
    """Asks the API server. Every method raises `ApiError`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def who(self, token: str) -> Caller | None:
        """Whose token it is; None when the cluster does not know it."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        status = (await self._api.create(TOKEN_REVIEWS, None, body)).get("status") or {}
        if not status.get("authenticated"):
            return None
        user = status.get("user") or {}
        return Caller(
            name=user.get("username") or "",
            uid=user.get("uid") or "",
            groups=tuple(user.get("groups") or ()),
            extra=user.get("extra") or {},
        )

    async def may(self, caller: Caller, verb: str, gate: str) -> bool:
        """Whether somebody may do this with a gate, or with all gates when none is named."""
        attributes = {"group": GROUP, "resource": GATES.plural, "verb": verb, "name": gate}
        spec = {
            "user": caller.name,
            "uid": caller.uid,
            "groups": list(caller.groups),
            "extra": dict(caller.extra),
            "resourceAttributes": attributes,
        }
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        status = (await self._api.create(ACCESS_REVIEWS, None, body)).get("status") or {}
        return bool(status.get("allowed"))
