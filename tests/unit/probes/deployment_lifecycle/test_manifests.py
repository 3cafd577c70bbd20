"""The template agrees with the code; the Service finds the Deployment's pods, and the pods prefer different nodes."""

from tests.unit.probes.manifests import documents, problems

from cluster.subject import Subject
from deployment_lifecycle.manifests import deployment, selector, service
from deployment_lifecycle.probe import probe

SUBJECT = Subject("deployment-lifecycle-1", "registry.example/probes:1", ("serve",), 8080, "IfNotPresent")


def test_service_selects_the_pods_of_the_deployment() -> None:
    made = deployment(SUBJECT, "probes", 2)
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert service(SUBJECT, "probes")["spec"]["selector"].items() <= labels.items()
    assert made["spec"]["selector"]["matchLabels"] == labels
    assert selector(SUBJECT) == ",".join(f"{name}={value}" for name, value in labels.items())


def test_service_leads_to_the_port_of_the_pods() -> None:
    container = deployment(SUBJECT, "probes", 2)["spec"]["template"]["spec"]["containers"][0]
    assert service(SUBJECT, "probes")["spec"]["ports"][0]["targetPort"] == container["ports"][0]["containerPort"]


def test_pods_are_spread_but_a_missing_node_does_not_stop_them() -> None:
    (spread,) = deployment(SUBJECT, "probes", 2)["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway"


def test_template_rights_and_example_agree_with_the_code() -> None:
    assert problems("deployment_lifecycle", probe) == []


def test_a_pod_that_cannot_start_is_the_finding() -> None:
    (template,) = documents("deployment_lifecycle", "template.yaml")
    assert template["spec"]["deliveryFailure"] == "Failed"
