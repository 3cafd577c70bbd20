"""The template, the rights and the example of pod-lifecycle agree with its code."""

from tests.unit.probes.manifests import documents, problems

from pod_lifecycle.probe import probe


def test_template_rights_and_example_agree_with_the_code() -> None:
    assert problems("pod_lifecycle", probe) == []


def test_a_pod_that_cannot_start_is_the_finding() -> None:
    (template,) = documents("pod_lifecycle", "template.yaml")
    assert template["spec"]["deliveryFailure"] == "Failed"
