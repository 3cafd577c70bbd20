from tests.unit.probes.manifests import problems

from grpc_endpoint.probe import probe


def test_template_and_example_agree_with_the_code() -> None:
    assert problems("grpc_endpoint", probe) == []
