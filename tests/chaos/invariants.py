"""What has to hold whatever happens, checked over what was seen: each violation is a sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from tests.chaos.record import Record, Run
from tests.lab.audit import Write

ORPHAN_SECONDS = 60.0
SKEW = timedelta(milliseconds=5)
"""Slots are written with milliseconds."""


def slots(runs: Iterable[Run], periods: Mapping[str, timedelta]) -> Iterator[str]:
    """Every due slot has exactly one run, or is counted as missed by the run that comes next."""
    by_config: defaultdict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run.slot is not None and run.config in periods and run.attempt == 1:
            by_config[run.config].append(run)
    for config, found in sorted(by_config.items()):
        yield from _gaps(config, sorted(found, key=lambda run: (run.slot, run.name)), periods[config])


def _gaps(config: str, found: list[Run], period: timedelta) -> Iterator[str]:
    for before, after in pairwise(found):
        assert before.slot is not None
        assert after.slot is not None
        if after.slot - before.slot < period - SKEW:
            yield f"{config}: {before.name} and {after.name} are runs of one slot"
            continue
        if after.ahead:
            continue  # what its clock took for missed came yet, and had its runs
        between = round((after.slot - before.slot) / period) - 1
        if between != after.missed:
            yield f"{config}: {between} slots lie between {before.name} and {after.name}, which counts {after.missed}"


def verdicts(runs: Iterable[Run]) -> Iterator[str]:
    """No verdict changes once its run is Completed."""
    for run in runs:
        if len(run.verdicts) > 1:
            yield f"{run.namespace}/{run.name} was {', then '.join(run.verdicts)}"


def leftovers(record: Record) -> Iterator[str]:
    """Nothing of a deleted run remains for longer than a minute."""
    if record.longest_orphan_seconds > ORPHAN_SECONDS:
        yield f"a pod outlived its run by {record.longest_orphan_seconds:.0f}s; now without: {sorted(record.orphans)}"


def acknowledged(reports: Mapping[str, str], runs: Iterable[Run]) -> Iterator[str]:
    """Every report that was answered 200 is in its run's verdict.

    Args:
        reports: the mark that each acknowledged report carried, by the name of its run.
        runs: what was seen.
    """
    seen = {run.name: run for run in runs}
    for name, mark in sorted(reports.items()):
        run = seen.get(name)
        if run is None or run.attributes.get("mark") != mark:
            yield f"the report of {name} was acknowledged and is not in its verdict: {run}"


def leases(done: Iterable[Write]) -> Iterator[str]:
    """No replica writes while another one has the lease."""
    holder = ""
    for write in sorted((one for one in done if not one.refused and not _own_badge(one)), key=_counts_from):
        if write.lease:
            holder = write.identity
        elif holder and write.identity != holder:
            yield f"{write} was written while {holder} had the lease"


def _own_badge(write: Write) -> bool:
    """The label that a replica takes off its own pod when it ceases to lead."""
    return (write.verb, write.resource) == ("patch", "pods")


def _counts_from(write: Write) -> datetime:
    """A lease counts from when it is written, another write from when it was sent."""
    return write.done_at if write.lease else write.at
