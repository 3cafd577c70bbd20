"""How the commands show things: tables like kubectl's, ages, and the colours of verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE: Final = 4000
"""Columns where nobody looks: what goes into a file or another program is neither wrapped nor cut."""
STYLES: Final = {
    "Open": "green",
    "Passed": "green",
    "Closed": "bold red",
    "Failed": "bold red",
    "Inconclusive": "yellow",
    "Unknown": "yellow",
    "Pending": "cyan",
    "Settling": "cyan",
    "Verifying": "cyan",
    "Skipped": "dim",
}


def console() -> Console:
    """Standard output, as wide as it takes where it is no terminal."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=WIDE)


def table(titles: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """Rows under titles, without lines between them; only the last column may take several lines."""
    shown = Table(*titles, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for column in shown.columns[:-1]:
        column.no_wrap = True
    for row in rows:
        shown.add_row(*(line(cell) if isinstance(cell, str) else cell for cell in row))
    return shown


def line(text: str, style: str = "") -> Text:
    """A text from the cluster, which may hold anything, without what would steer a terminal."""
    return Text("".join(letter if letter.isprintable() else " " for letter in text), style)


def counted(count: int, what: str) -> str:
    """So many of something."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def coloured(word: str) -> Text:
    """A verdict or phase in its colour."""
    return Text(word, style=STYLES.get(word, ""))


def unknown(error: ValidationError, what: str) -> str:
    """That an object is made as this version does not know it, most likely by a newer operator."""
    where = ".".join(map(str, error.errors(include_url=False)[0]["loc"]))
    return f"{where} of {what} is not known to this version: use the operator's"


def age(since: datetime | None, now: datetime) -> str:
    """How long ago, in one unit; empty where there is no moment."""
    if since is None:
        return ""
    seconds = max(int((now - since).total_seconds()), 0)
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
