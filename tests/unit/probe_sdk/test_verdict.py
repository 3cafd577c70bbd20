"""What people read."""

from probe_sdk.verdict import readable
from probe_sdk.wire import Report, Step, StepSeconds


def test_a_failure_shows_its_reasons_steps_and_attributes() -> None:
    report = Report(
        ok=False,
        errors=("put: no leader", "two\nlines"),
        steps=(
            Step(name="put", count=3, ok=2, seconds=StepSeconds(p50=0.0012, p99=1.5, max=1.5)),
            Step(name="compact", count=1, ok=1, seconds=StepSeconds(p50=2, p99=2, max=2)),
            Step(name="gone", count=1, ok=0, seconds=StepSeconds(p50=2, p99=2, max=0.01)),
        ),
        attributes={"node": "node-1"},
    )
    assert readable(report).splitlines() == [
        "Failed",
        "  - put: no leader",
        "  - two",
        "    lines",
        "  put      2 of 3 ok  p50 1.2ms  p99 1.50s  max 1.50s",
        "  compact  ok  2.00s",
        "  gone     not ok  10.0ms",
        "  node: node-1",
    ]


def test_success_is_one_word() -> None:
    assert readable(Report(ok=True)) == "Passed"
