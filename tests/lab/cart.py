"""What the lab's shop is made of: a cart that serves or does not, by its image, and the probe that buys there.

What a release does is told by its image alone, as with real ones: the server answers 500 where kubeprobe's operator is
installed. So the two images that every lab has are a good release and a bad one.
"""

from __future__ import annotations

from typing import Any

CART = "cart"
PORT = 8080
SERVE = f"""
import http.server, importlib.util
STATUS = 500 if importlib.util.find_spec("kubeprobe") else 200
class Cart(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(STATUS)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.ThreadingHTTPServer(("", {PORT}), Cart).serve_forever()
"""
BUY = """
import sys, time, urllib.error, urllib.request
from probe_sdk import ReportFailure, ReportSuccess
def buy():
    try:
        return urllib.request.urlopen("http://%s/", timeout=2).status
    except urllib.error.HTTPError as error:
        return error.code
end = time.monotonic() + 30
while True:
    try:
        code = buy()
        break
    except OSError as error:  # the Service's rules come a moment after the pod is ready
        if time.monotonic() > end:
            ReportFailure([f"the cart does not answer: {error}"])
            sys.exit(1)
        time.sleep(0.2)
if code != 200:
    ReportFailure([f"the cart answers HTTP {code}"])
    sys.exit(1)
ReportSuccess()
"""
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def deployment(namespace: str, image: str, number: str, *, glass: str, warm_up: str) -> dict[str, Any]:
    """A release of the cart.

    Args:
        namespace: where it is.
        image: its image.
        number: what else tells it from the one before.
        glass: the closure to break the glass of; empty for none.
        warm_up: the image of an init container; empty for none.
    """
    labels = {"app": CART}
    container = {
        "name": "app",
        "image": image,
        "command": ["python", "-c", SERVE],
        "env": [{"name": "RELEASE", "value": number}],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": RESTRICTED,
    }
    first = {"name": "warm-up", "image": warm_up, "command": ["python", "-c", ""], "securityContext": RESTRICTED}
    pod = {
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        **({"initContainers": [first]} if warm_up else {}),
    }
    annotations = {"kubeprobe.io/break-glass": glass} if glass else {}
    # Recreate: who buys meets the new release and never the old one beside it.
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": CART, "namespace": namespace, "annotations": annotations},
        "spec": {
            "selector": {"matchLabels": labels},
            "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def service(namespace: str) -> dict[str, Any]:
    """Where one buys."""
    spec = {"selector": {"app": CART}, "ports": [{"port": 80, "targetPort": PORT}]}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": CART, "namespace": namespace},
        "spec": spec,
    }


def template(name: str, image: str, namespace: str) -> dict[str, Any]:
    """The probe that buys there.

    Args:
        name: the template's.
        image: one with the SDK.
        namespace: where the cart is.
    """
    script = BUY % f"{CART}.{namespace}.svc.cluster.local"
    return {
        "apiVersion": "kubeprobe.io/v1alpha1",
        "kind": "ProbeTemplate",
        "metadata": {"name": name},
        "spec": {
            "image": image,
            "command": ["python", "-c", script],
            "timeout": "60s",
        },
    }
