from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import at

from kubeprobe.api import MaintenanceWindow
from kubeprobe.plan.maintenance import NONE, Maintenance, Stretch, maintenance, maintenance_error, pauses

HOUR = 3600


def window(cron: str = "0 14 * * *", duration: str = "2h", **more: Any) -> MaintenanceWindow:
    return MaintenanceWindow.model_validate({"cron": cron, "duration": duration, **more})


NIGHT = window()  # at(0) is noon
PAUSE = window(runs="Pause")


@pytest.mark.parametrize(
    ("hours", "until", "changes"),
    [(0, None, 2), (2, 4, 4), (3.9999, 4, 4), (4, None, 26), (25.9, None, 26), (26, 28, 28)],
)
def test_a_window_is_open_from_its_time_on_for_its_duration(hours: float, until: float | None, changes: float) -> None:
    found = maintenance((NIGHT,), at(hours * HOUR))
    assert found.until == (None if until is None else at(until * HOUR))
    assert found.changes_at == at(changes * HOUR)
    assert not found.pauses


def test_windows_add_up() -> None:
    both = maintenance((NIGHT, window("0 15 * * *", "3h", runs="Pause")), at(3.5 * HOUR))
    assert both == Maintenance(until=at(6 * HOUR), pauses=True, changes_at=at(4 * HOUR))
    assert maintenance((), at(0)) == NONE


def test_the_time_zone_counts() -> None:
    berlin = window("0 14 * * *", timeZone="Europe/Berlin")
    assert maintenance((berlin,), at(1 * HOUR)).until == at(3 * HOUR)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (window(timeZone="Mars/Olympus"), "spec.maintenance[1].timeZone: 'Mars/Olympus' is not a time zone"),
        (window("61 * * * *"), "spec.maintenance[1].cron: '61 * * * *': Bad minute"),
        (window("0 0 */31 * MON#5"), "spec.maintenance[1].cron: '0 0 */31 * MON#5' never comes"),
        (
            window("0 * * * *", "1h"),
            "spec.maintenance[1].duration: the window is open for 1h, but opens again after 3600s",
        ),
    ],
)
def test_a_wrong_window_is_named_and_passed_over(wrong: MaintenanceWindow, says: str) -> None:
    assert says in str(maintenance_error((NIGHT, wrong)))
    assert maintenance((wrong,), at(2 * HOUR)) == NONE
    assert maintenance_error((NIGHT,)) is None


def test_pauses_are_cut_to_what_is_asked_and_put_together() -> None:
    windows = (PAUSE, window("0 15 * * *", "3h", runs="Pause"), window("30 12 * * *", "1h", runs="Pause"), NIGHT)
    assert pauses(windows, at(HOUR), at(26.5 * HOUR)) == (
        Stretch(at(HOUR), at(1.5 * HOUR)),
        Stretch(at(2 * HOUR), at(6 * HOUR)),
        Stretch(at(24.5 * HOUR), at(25.5 * HOUR)),
        Stretch(at(26 * HOUR), at(26.5 * HOUR)),
    )
    assert pauses((NIGHT,), at(0), at(99 * HOUR)) == ()


@given(st.integers(0, 72 * 60))
def test_what_pauses_and_the_pauses_agree(minute: int) -> None:
    now = at(minute * 60)
    windows = (PAUSE, window("0 */5 * * *", "40m", runs="Pause"))
    inside = any(
        one.start <= now < one.end for one in pauses(windows, now - timedelta(days=1), now + timedelta(days=1))
    )
    assert maintenance(windows, now).pauses is inside
