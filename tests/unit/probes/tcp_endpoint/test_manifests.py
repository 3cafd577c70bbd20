from tests.unit.probes.manifests import problems

from tcp_endpoint.probe import probe


def test_template_and_example_agree_with_the_code() -> None:
    assert problems("tcp_endpoint", probe) == []
