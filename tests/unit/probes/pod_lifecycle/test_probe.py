"""When a pod has come as far as a step asks, and when waiting longer is of no use."""

from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.probes.cluster.objects import pod

from pod_lifecycle.probe import STEP_SECONDS, Params, hopeless, ready, running, scheduled


@pytest.mark.parametrize(
    ("subject", "reached"),
    [
        (pod(), (False, False, False)),
        (pod("node-1", waiting={"reason": "ContainerCreating"}), (True, False, False)),
        (pod("node-1", running=True, conditions={"Ready": "False"}), (True, True, False)),
        (pod("node-1", running=True, conditions={"Ready": "True"}), (True, True, True)),
    ],
)
def test_steps_are_read_from_the_pod(subject: dict[str, Any], reached: tuple[bool, bool, bool]) -> None:
    assert (scheduled(subject), running(subject), ready(subject)) == reached


@pytest.mark.parametrize(
    ("subject", "given_up"),
    [
        (pod("node-1", waiting={"reason": "ImagePullBackOff"}), False),
        (pod("node-1", waiting={"reason": "InvalidImageName"}), True),
        (pod("node-1", waiting={"reason": "ErrImageNeverPull"}), True),
        (pod("node-1", phase="Failed"), True),
        (pod(), False),
    ],
)
def test_only_what_cannot_mend_itself_is_given_up(subject: dict[str, Any], given_up: bool) -> None:
    assert hopeless(subject) is given_up


def test_limits_are_for_steps_that_exist() -> None:
    assert Params.model_validate({"limits": {"running": "2s"}}).limits["running"] == 2.0
    with pytest.raises(ValidationError, match="no such step: runing"):
        Params.model_validate({"limits": {"runing": "2s"}})
    assert set(STEP_SECONDS) == {"create", "scheduled", "running", "ready", "serve", "delete", "gone"}
