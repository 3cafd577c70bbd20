from tests.unit.probes.manifests import problems

from dns_lookup.probe import probe


def test_template_and_example_agree_with_the_code() -> None:
    assert problems("dns_lookup", probe) == []
