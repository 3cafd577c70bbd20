"""A bad release behind a gate, end to end: found on its node, held by the API server, taken back, operator or not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.lab.cart import CART
from tests.lab.changes import SOON_SECONDS, changes, told
from tests.lab.kubectl import KubectlError, eventually
from tests.lab.lab import NAMESPACE, Lab
from tests.lab.process import operator_beside
from tests.lab.shop import PROBE, Shop


@pytest.fixture(scope="module")
def shop(lab: Lab) -> Iterator[Shop]:
    """A shop whose gate holds, with a first release that was found good."""
    made = Shop(lab)
    try:
        made.open()
        made.release(made.good, "2")
        made.becomes("Open", "Verified")
        yield made
    finally:
        made.close()


def test_it_holds_while_the_operator_is_dead_and_what_passed_meanwhile_is_found(lab: Lab, tmp_path: Path) -> None:
    # In the same namespace as the one in the cluster, so that they share the Lease and what is known of changes.
    with operator_beside(lab, tmp_path / "operator.log", "--lease-namespace", NAMESPACE) as operator:
        shop = Shop(lab)
        try:
            shop.open()
            shop.release(shop.good, "2")
            shop.becomes("Open", "Verified")
            shop.release(shop.bad, "3")
            closure = shop.becomes("Closed", "ProbeFailed")["closureID"]
            shop.change(1)
            on_call = shop.on_call()
            operator.kill()

            with pytest.raises(KubectlError, match=f"ChangeGate {shop.gate} is closed: probe"):
                shop.release(shop.next, "4")
            lab.kubectl("scale", f"deployment/{CART}", "-n", shop.namespace, "--replicas=2")
            # With an init container that no good release had: to mend it so is not going back.
            with pytest.raises(KubectlError, match="is closed"):
                shop.release(shop.good, "5", *on_call, warm_up=shop.good)
            shop.release(shop.good, "5", *on_call, glass=closure, warm_up=shop.good)
            shop.rolled_out()
            assert shop.status()["closureID"] == closure

            operator.start()
            shop.becomes("Open", "Verified", "Recovered")
            mended = shop.change(2)
            assert mended["status"]["phase"] == "Passed"
            [one] = mended["spec"]["objects"]
            assert (one["name"], one["type"], one.get("parts")) == (CART, "Modified", None)
            assert len(changes(lab, shop.watch)) == 3
        finally:
            shop.close()


def test_a_bad_release_is_found_on_its_node_held_and_taken_back(shop: Shop) -> None:
    kubectl, gate = shop.lab.kubectl, shop.gate
    first = shop.change(0)
    assert first["status"]["phase"] == "Passed"
    assert shop.pinned(first["metadata"]["name"]) == dict.fromkeys(shop.nodes(), "Passed")

    shop.release(shop.bad, "3")
    closed = shop.becomes("Closed", "ProbeFailed")
    assert closed["closedBy"] == f"{shop.watch}/{PROBE}"
    bad = shop.change(1)["metadata"]["name"]
    assert closed["change"] == {**closed["change"], "id": bad, "verdict": "Failed"}
    assert shop.pinned(bad) == dict.fromkeys(shop.nodes(), "Failed")

    why = f"ChangeGate {gate} is closed: probe {shop.watch}/{PROBE} failed at "
    with pytest.raises(KubectlError, match=rf"{re.escape(why)}.*the cart answers HTTP 500.*it opens when"):
        shop.release(shop.next, "4")

    kubectl("scale", f"deployment/{CART}", "-n", shop.namespace, "--replicas=2")
    shop.rolled_out()
    kubectl("delete", "pod", "-n", shop.namespace, "-l", f"app={CART}")
    shop.rolled_out()

    closure = closed["closureID"]
    developer, on_call = shop.developer(), shop.on_call()
    assert "is only for those who may override this gate" in shop.refusal(shop.next, "4", *developer, glass=closure)
    assert "names another closure than this one" in shop.refusal(shop.next, "4", *on_call, glass="cls-0")
    assert shop.refusal(shop.next, "4", *on_call, glass=closure) == ""

    eventually("the good images are remembered", shop.remembered, SOON_SECONDS, shop.status)
    kubectl("rollout", "undo", f"deployment/{CART}", "-n", shop.namespace)
    kubectl("wait", "--for=condition=Open", f"changegate/{gate}", f"--timeout={SOON_SECONDS:.0f}s", timeout_seconds=200)
    assert shop.becomes("Open", "Verified", "Recovered")["verdict"] == "Passed"
    eventually("releases pass again", lambda: shop.refusal(shop.next, "4") == "", SOON_SECONDS, shop.status)

    phases = [shop.change(number)["status"]["phase"] for number in range(3)]
    assert phases == ["Passed", "Failed", "Passed"]
    listed = told(shop.lab, "--gate", gate).splitlines()
    assert [line.split()[0] for line in listed[1:]] == [shop.change(number)["metadata"]["name"] for number in range(3)]
    story = told(shop.lab, bad)
    for part in ("Failed (ProbesFailed)", "kubectl", f"{shop.watch}/{PROBE}", "HTTP 500", gate, "GateClosed"):
        assert part in story
    reasons = {one["reason"] for one in kubectl.list("events", "default") if one["involvedObject"]["name"] == gate}
    assert {"GateClosed", "GateOpened", "ChangePassed", "ChangeFailed"} <= reasons


def test_a_gate_that_is_deleted_while_closed_or_no_longer_enforced_holds_nothing(shop: Shop) -> None:
    # The last one with this gate.
    shop.hold("freeze")
    shop.becomes("Closed", "Hold")
    refused = eventually("it holds", lambda: shop.refusal(shop.next, "3"), SOON_SECONDS)
    assert "spec.hold keeps it closed: freeze" in refused
    shop.set_gate(enforcement="Warn", hold={"reason": "freeze"})
    eventually("it warns", lambda: shop.refusal(shop.next, "3") == "", SOON_SECONDS, shop.status)
    shop.set_gate(hold={"reason": "freeze"})
    eventually("it holds again", lambda: shop.refusal(shop.next, "3"), SOON_SECONDS, shop.status)
    shop.lab.kubectl.delete("changegate", shop.gate)
    eventually("it holds no more", lambda: shop.refusal(shop.next, "3") == "", SOON_SECONDS)
