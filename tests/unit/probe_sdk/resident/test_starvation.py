"""What was withheld since a moment is what the kernel says now less what it said before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from probe_sdk.resident.starvation import SAMPLE_SECONDS, Kernel, Starvation, starvation


def test_what_was_withheld_since_a_look() -> None:
    total = [5.0]
    held = Starvation(lambda: total[0], 0.0)
    assert held.latest_seconds == 5.0
    total[0] += 0.5
    held.late(0.25)
    assert (held.total_seconds() - held.latest_seconds) == pytest.approx(0.75)
    held.sample(1.0)
    assert held.latest_seconds == held.total_seconds() == 5.75


def test_looks_that_come_too_often_are_left_out_and_never_make_it_less() -> None:
    total = [0.0]
    held = Starvation(lambda: total[0], 0.0)
    total[0] = 1.0
    held.sample(SAMPLE_SECONDS / 2)
    assert held.total_seconds() - held.latest_seconds == 1.0


def test_what_was_used_is_work_and_what_the_kernel_withheld_of_it() -> None:
    held = Starvation(lambda: 2.0, 0.0, worked_seconds=lambda: 3.0)
    held.late(10.0)
    assert held.used_seconds() == 5.0


def test_the_kernels_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "schedstat").write_text("123 4500000000 7\n")
    (tmp_path / "cpu.stat").write_text("usage_usec 9\nnr_throttled 2\nthrottled_usec 1500000\n")
    (tmp_path / "older").write_text("nr_periods 1\nthrottled_time 2500000000\n")
    unified = Kernel(str(tmp_path / "schedstat"), (str(tmp_path / "cpu.stat"),))
    older = Kernel(str(tmp_path / "none"), (str(tmp_path / "none"), str(tmp_path / "older")))
    nothing = Kernel(str(tmp_path / "none"), ())
    try:
        assert (unified.run_delay_seconds(), unified.throttled_seconds()) == (4.5, 1.5)
        assert (older.run_delay_seconds(), older.throttled_seconds()) == (0.0, 2.5)
        assert (nothing.run_delay_seconds(), nothing.throttled_seconds()) == (0.0, 0.0)
    finally:
        for kernel in (unified, older, nothing):
            kernel.close()


def test_this_very_thread_is_seen() -> None:
    clock = iter(range(100))
    with starvation(lambda: next(clock)) as held:
        assert held.total_seconds() >= held.latest_seconds >= 0.0
        assert held.used_seconds() > 0.0
