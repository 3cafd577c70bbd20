"""Tell what is being done, how long it has taken and how long is left.

What is left is told from how long each step took here last time, or took on two cores when it was measured. On a
terminal it is a live table of bars; elsewhere plain lines, with a sign of life every half minute.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

_HEARTBEAT_SECONDS = 30.0
_BAR_WIDTH = 24


def clock_text(seconds: float) -> str:
    """Seconds as m:ss."""
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


class Durations:
    """How long steps took on this machine, kept between calls."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def expected(self, key: str, otherwise: float) -> float:
        """What a step took last time, or a figure measured elsewhere."""
        return self._read().get(key, otherwise)

    def record(self, key: str, seconds: float) -> None:
        """Remember how long a step took."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({**self._read(), key: round(seconds, 2)}, indent=1, sort_keys=True))
        fresh.replace(self._path)

    def _read(self) -> dict[str, float]:
        try:
            return {str(key): float(value) for key, value in json.loads(self._path.read_text()).items()}
        except (OSError, ValueError, AttributeError):
            return {}


@dataclass
class Step:
    """One step of a plan, and where it stands."""

    key: str
    title: str
    expected_seconds: float
    started: float | None = None
    took_seconds: float | None = None
    detail: str = ""

    def elapsed_seconds(self, now: float) -> float:
        """How long it has been going on, or took."""
        if self.took_seconds is not None:
            return self.took_seconds
        return 0.0 if self.started is None else now - self.started

    def left_seconds(self, now: float) -> float:
        """How long it is likely to go on."""
        return 0.0 if self.took_seconds is not None else max(0.0, self.expected_seconds - self.elapsed_seconds(now))

    def share(self, now: float) -> float:
        """How much of it is done; never all of it before it is."""
        if self.took_seconds is not None:
            return 1.0
        return min(0.97, self.elapsed_seconds(now) / max(self.expected_seconds, 0.1))


class Progress:
    """A plan of steps, shown while it is worked off."""

    def __init__(
        self, console: Console, durations: Durations, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._durations = durations
        self._now = monotonic
        self._steps: list[Step] = []
        self._live: Live | None = None
        self._began = monotonic()

    def plan(self, steps: Sequence[tuple[str, str, float]]) -> None:
        """What will be done: key, title, and the expected seconds where nothing was recorded yet."""
        self._began = self._now()
        self._steps = [Step(key, title, self._durations.expected(key, seconds)) for key, title, seconds in steps]

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(Text(text))

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the plan while the block runs."""
        if not self._console.is_terminal or not self._steps:
            yield
            return
        with Live(console=self._console, get_renderable=self._table, refresh_per_second=4) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    @contextmanager
    def step(self, key: str) -> Iterator[Step]:
        """Work off one step of the plan; it counts as done only if nothing was raised."""
        step = next(step for step in self._steps if step.key == key)
        step.started = self._now()
        with self._heartbeat(step):
            yield step
        step.took_seconds = self._now() - step.started
        step.detail = ""
        self._durations.record(key, step.took_seconds)
        self._line(f"{step.title}: done in {clock_text(step.took_seconds)}", step)

    def left_seconds(self) -> float:
        """How long the rest of the plan is likely to take."""
        now = self._now()
        return sum(step.left_seconds(now) for step in self._steps)

    @contextmanager
    def _heartbeat(self, step: Step) -> Iterator[None]:
        if self._live or self._console.is_terminal:
            yield
            return
        over = threading.Event()
        if step.expected_seconds >= 2:
            self._line(f"{step.title}: about {clock_text(step.expected_seconds)}", step)
        beat = threading.Thread(target=self._beat, args=(step, over), daemon=True)
        beat.start()
        try:
            yield
        finally:
            over.set()
            beat.join()

    def _beat(self, step: Step, over: threading.Event) -> None:
        while not over.wait(_HEARTBEAT_SECONDS):
            now = self._now()
            gone, left = clock_text(step.elapsed_seconds(now)), clock_text(step.left_seconds(now))
            self._line(f"{step.title}: {gone} gone, about {left} left {step.detail}".rstrip(), step)

    def _line(self, text: str, step: Step) -> None:
        if not self._console.is_terminal:
            place = self._steps.index(step) + 1
            self._console.print(Text(f"[{place}/{len(self._steps)}] {text}"), soft_wrap=True)

    def _table(self) -> Table:
        now = self._now()
        table = Table.grid(padding=(0, 1))
        for step in self._steps:
            table.add_row(*_row(step, now))
        left = clock_text(self.left_seconds())
        table.add_row(
            "", Text("together", style="dim"), "", Text(f"{clock_text(now - self._began)} gone, about {left} left")
        )
        return table


def _row(step: Step, now: float) -> tuple[Text, Text, Text, Text]:
    if step.took_seconds is not None:
        return Text("✓", "green"), Text(step.title), _bar(1.0), Text(clock_text(step.took_seconds), "dim")
    if step.started is None:
        about = Text(f"about {clock_text(step.expected_seconds)}", "dim")
        return Text("·", "dim"), Text(step.title, "dim"), Text(""), about
    times = f"{clock_text(step.elapsed_seconds(now))} gone, about {clock_text(step.left_seconds(now))} left"
    return Text("▸", "cyan"), Text(step.title, "bold"), _bar(step.share(now)), Text(f"{times}  {step.detail[-40:]}")


def _bar(share: float) -> Text:
    full = round(share * _BAR_WIDTH)
    return Text("━" * full, "cyan").append("━" * (_BAR_WIDTH - full), "grey30")


def quiet_progress(durations: Durations) -> Progress:
    """For callers that want no output: plain lines go to standard error, so that a long build is never silent."""
    return Progress(Console(stderr=True), durations)
