"""What holds up a Deployment or its Service, read from their objects, pure: the controllers first, then the pods."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cluster.errors import refusal_hint
from cluster.stage import Stage, read_pod
from cluster.words import Object, condition, join, shorten

CONTROLLERS = "kube-controller-manager (is it running, does it hold its lease?)"


@dataclass(frozen=True)
class Held:
    """Why it goes no further, and what to look at."""

    reason: str
    look_at: str

    def __str__(self) -> str:
        return f"{self.reason}; look at {self.look_at}"


def controllers_hold(deployment: Object, pods: Sequence[Object], wanted: int) -> Held | None:
    """What the controllers have not done; None where it is the pods that are late."""
    name = deployment["metadata"]["name"]
    status = deployment.get("status", {})
    if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return Held(f"no controller has taken up Deployment {name} (it is created, its status is old)", CONTROLLERS)
    failure = condition(deployment, "ReplicaFailure")
    if failure.get("status") == "True":
        words = shorten(join(str(failure.get("reason", "")), str(failure.get("message", ""))))
        return Held(
            f"the pods of Deployment {name} are refused: {words}", refusal_hint(0, words) or "what refuses them"
        )
    if len(pods) < wanted:
        return Held(f"Deployment {name} has {len(pods)} of {wanted} pods", CONTROLLERS)
    if len(pods) > wanted:
        return Held(f"Deployment {name} still has {len(pods)} pods instead of {wanted}", CONTROLLERS)
    return None


def most_behind(pods: Iterable[Object]) -> Object | None:
    """Of the pods that are not ready, the one that has come least far."""
    stages = list(Stage)
    behind = [pod for pod in pods if read_pod(pod).stage is not Stage.READY]
    return min(behind, key=lambda pod: stages.index(read_pod(pod).stage), default=None)


def alive(pods: Mapping[str, Object]) -> list[Object]:
    """The pods that are not on their way out."""
    return [pod for pod in pods.values() if not pod["metadata"].get("deletionTimestamp")]


def replicas(deployment: Object | None, field: str) -> int:
    """A count of the Deployment's status; -1 while its controller has not seen its newest spec."""
    if deployment is None:
        return -1
    status = deployment.get("status", {})
    if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return -1
    return int(status.get(field, 0))


def ready_addresses(slices: Iterable[Object]) -> list[str]:
    """The addresses that a Service sends its clients to, by its EndpointSlices."""
    endpoints = [endpoint for slice_ in slices for endpoint in slice_.get("endpoints") or ()]
    ready = [endpoint for endpoint in endpoints if (endpoint.get("conditions") or {}).get("ready") is not False]
    return sorted({address for endpoint in ready for address in endpoint["addresses"]})


def remains(deployments: Mapping[str, Object], pods: Mapping[str, Object], slices: Mapping[str, Object]) -> Held | None:
    """What is still there after everything was deleted; None where it is for a kubelet to finish (or nothing is)."""
    if deployments:
        return Held(f"Deployment {next(iter(deployments))} is still there", CONTROLLERS)
    if undeleted := alive(pods):
        names = ", ".join(pod["metadata"]["name"] for pod in undeleted[:3])
        return Held(f"nobody has deleted the pods of the Deployment that is gone: {names}", CONTROLLERS)
    if slices and not pods:
        return Held(f"EndpointSlice {next(iter(slices))} of the Service that is gone is still there", CONTROLLERS)
    return None
