import pytest
from tests.unit.probes.manifests import problems

from cert_expiry.probe import Params, check, probe
from probe_sdk import ProbeFailure


def test_template_and_example_agree_with_the_code() -> None:
    assert problems("cert_expiry", probe) == []


async def test_nothing_to_check_is_not_health() -> None:
    with pytest.raises(ProbeFailure, match="nothing to check"):
        await check(Params())
