"""One exchange by itself, for a run that ends."""

from __future__ import annotations

import time
from math import inf
from typing import Final

import pycurl

from http_endpoint.classes import OURS
from http_endpoint.exchange import Exchange
from probe_sdk import Inconclusive, ProbeFailure, attribute, remaining_seconds

LONGEST_SECONDS: Final = 30.0


def timeout_seconds() -> float:
    """How long an exchange of this run may take."""
    left = remaining_seconds()
    return LONGEST_SECONDS if left == inf else max(left, 0.001)


def exchanged(exchange: Exchange) -> None:
    """Do it; what is not well comes as a failure."""
    exchange.ready(time.time())
    code, message = 0, ""
    try:
        exchange.curl.perform()
    except pycurl.error as error:
        code, message = error.args
    finding = exchange.judge(code, message, time.time())
    phases: dict[str, float] = {}
    exchange.add_phases(phases)
    for phase, seconds in phases.items():
        attribute(phase, f"{seconds * 1000:.1f}ms")
    exchange.close()
    if finding is None:
        return
    if finding.class_ in OURS:
        raise Inconclusive(finding.message, reason=finding.class_)
    raise ProbeFailure(finding.message, reason=finding.class_)
