"""What a kubelet says of a pod."""

from __future__ import annotations

from typing import Any


def ended(code: int, message: str = "") -> dict[str, Any]:
    """A pod's status after its container ended."""
    state = {"terminated": {"exitCode": code, "message": message, "reason": "Error" if code else "Completed"}}
    container = {"name": "probe", "state": state, "ready": False, "restartCount": 0, "image": "none", "imageID": ""}
    return {"phase": "Failed" if code else "Succeeded", "containerStatuses": [container]}
