"""Write a kubeprobe probe: report success or failure, time steps, read typed parameters.

Importing this package is kept cheap, because a pod does it in every run: what a check may never need (HTTP, tenacity,
asyncio, argparse) is imported where it is used.
"""

from probe_sdk import params
from probe_sdk.clock import deadline, remaining_seconds
from probe_sdk.failure import Inconclusive, ProbeFailure
from probe_sdk.ownership import owned
from probe_sdk.probe import Probe
from probe_sdk.reporting import (
    ReportFailure,
    ReportSuccess,
    areport_failure,
    areport_success,
    report_failure,
    report_success,
)
from probe_sdk.retry import retrying
from probe_sdk.steps import attribute, step

__all__ = [
    "Inconclusive",
    "Probe",
    "ProbeFailure",
    "ReportFailure",
    "ReportSuccess",
    "areport_failure",
    "areport_success",
    "attribute",
    "deadline",
    "owned",
    "params",
    "remaining_seconds",
    "report_failure",
    "report_success",
    "retrying",
    "step",
]
