from tests.unit.probes.manifests import problems

from http_endpoint.probe import probe


def test_template_and_example_agree_with_the_code() -> None:
    assert problems("http_endpoint", probe) == []
