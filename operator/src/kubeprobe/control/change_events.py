"""Events on the objects that changed: they lead from the object to its Change, and to what that came to."""

from __future__ import annotations

from kubeprobe.api import Change
from kubeprobe.control.events import About, Recorder


def tell_objects(recorder: Recorder, change: Change, reason: str, message: str, *, warning: bool) -> None:
    """Have an Event written on each object that a Change names and that is, or was, one of the cluster's."""
    for one in change.spec.objects:
        if one.uid:
            kind = one.kind.partition(".")[0]
            recorder.record_about(
                About(one.api_version, kind, one.namespace, one.name, one.uid), reason, message, warning=warning
            )
