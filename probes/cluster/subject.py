"""The pods that the lifecycle cases create: restricted, tiny, answering HTTP, and placed where the parameters say.

By default a subject runs the image that the probe itself runs, since that one is known to be pullable and the
user has to name nothing; it is learned from the probe's own pod.
"""

import os
import secrets
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from cluster.api import PODS, Api
from cluster.words import Object
from probe_sdk import ProbeFailure, params
from probe_sdk.wire import ENV_POD

SERVE = ("python", "-m", "cluster.serve")


class SubjectParams(params.Model):
    """What may be chosen about a subject pod."""

    image: str = Field("", description="Image of the subject pod; empty: the probe's own image.")
    command: list[str] = Field(
        [],
        description="Command of the subject pod; it must answer HTTP on `port`. Empty: a tiny server that is part of "
        "the probes' image.",
    )
    port: int = Field(8080, ge=1, le=65535, description="Port on which the subject answers HTTP.")
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        "IfNotPresent", description="Always makes every run ask the registry for the subject's image."
    )
    node: str = Field("", description="Name of the node for the subject (by its kubernetes.io/hostname label).")
    node_selector: dict[str, str] = Field({}, description="Labels of the nodes that the subject may run on.")


@dataclass(frozen=True)
class Subject:
    """A subject as it will be created: its image settled, its name drawn."""

    name: str
    image: str
    command: tuple[str, ...]
    port: int
    pull_policy: str
    node_selector: dict[str, str] = field(default_factory=dict)
    pull_secrets: tuple[Object, ...] = ()

    def pod_spec(self, *, readiness_probe: bool) -> Object:
        """The spec of its pod. A readiness probe is what a Service needs; it makes a kubelet sync once more (1 s)."""
        spec: Object = {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [self._container() | (self._readiness() if readiness_probe else {})],
        }
        if self.node_selector:
            spec["nodeSelector"] = self.node_selector
        if self.pull_secrets:
            spec["imagePullSecrets"] = list(self.pull_secrets)
        return spec

    def _container(self) -> Object:
        return {
            "name": "subject",
            "image": self.image,
            "imagePullPolicy": self.pull_policy,
            "command": list(self.command),
            "ports": [{"containerPort": self.port, "name": "http"}],
            "resources": {
                "requests": {"cpu": "10m", "memory": "24Mi"},
                "limits": {"memory": "64Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }

    def _readiness(self) -> Object:
        get = {"path": "/", "port": self.port}
        return {"readinessProbe": {"httpGet": get, "periodSeconds": 1, "timeoutSeconds": 1}}


async def plan_subject(api: Api, chosen: SubjectParams, prefix: str) -> Subject:
    """Settle what the parameters leave open."""
    own = {} if chosen.image else await own_pod_spec(api)
    selector = dict(chosen.node_selector)
    if chosen.node:
        selector["kubernetes.io/hostname"] = chosen.node
    return Subject(
        name=f"{prefix}-{secrets.token_hex(4)}",
        image=chosen.image or own_image(own),
        command=tuple(chosen.command) or (*SERVE, str(chosen.port)),
        port=chosen.port,
        pull_policy=chosen.pull_policy,
        node_selector=selector,
        pull_secrets=tuple(own.get("imagePullSecrets") or ()),
    )


async def own_pod_spec(api: Api) -> Object:
    """The spec of the pod that this process runs in."""
    name = os.environ.get(ENV_POD)
    if not name:
        raise ProbeFailure("the parameter `image` is needed outside a cluster: there is no own pod to take it from")
    pod: dict[str, Any] = await api.get(PODS, api.config.namespace, name)
    return dict(pod["spec"])


def own_image(spec: Object) -> str:
    """The image of the probe's own container."""
    return str(spec["containers"][0]["image"])
