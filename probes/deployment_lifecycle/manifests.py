"""The two objects that the case creates: a Deployment of subjects and the Service in front of it."""

from cluster.subject import Subject
from cluster.words import Object

SERVICE_PORT = 80
APP = "app.kubernetes.io/instance"


def selector(subject: Subject) -> str:
    """The label selector of the subject's pods."""
    return f"{APP}={subject.name}"


def service(subject: Subject, namespace: str) -> Object:
    """A ClusterIP Service with the subject's name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": subject.name, "namespace": namespace, "labels": {APP: subject.name}},
        "spec": {
            "selector": {APP: subject.name},
            "ports": [{"name": "http", "port": SERVICE_PORT, "targetPort": subject.port}],
        },
    }


def deployment(subject: Subject, namespace: str, replicas: int) -> Object:
    """A Deployment whose pods go to different nodes where they can: so a broken node is met."""
    labels = {APP: subject.name}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": subject.name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {**subject.pod_spec(readiness_probe=True), "topologySpreadConstraints": [spread]},
            },
        },
    }
