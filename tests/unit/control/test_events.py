"""Events on objects, as they are written."""

from __future__ import annotations

import re

import pytest
from tests.unit.control.cluster import Cluster
from tests.unit.control.parts import make_context
from tests.unit.plan.builders import CREATED

from kubeprobe.control.events import About
from kubeprobe.control.queue import WorkQueue


@pytest.mark.parametrize(
    ("name", "kept"),
    [("cart", "cart"), ("c" * 253, "c" * 236), (f"{'c' * 235}.cart", "c" * 235), (f"{'c' * 234}-.cart", "c" * 234)],
)
def test_the_name_of_an_event_fits_whatever_it_is_about(name: str, kept: str) -> None:
    context = make_context(Cluster(), lambda: CREATED, WorkQueue(lambda: 0.0))
    about = About("v1", "ConfigMap", "shop", name, "uid-1")
    context.recorder.record_about(about, "ChangeSeen", "words", warning=False)
    (event,) = context.recorder._waiting
    written = event["metadata"]["name"]
    assert re.fullmatch(rf"{re.escape(kept)}\.[0-9a-f]{{16}}", written)
    assert len(written) <= 253
    assert event["involvedObject"]["name"] == name
