"""What an API server says of its own checks, in one sentence."""

import pytest

from apiserver.readiness import not_ready

TEXT = """[+]ping ok
[+]log ok
[-]etcd failed: reason withheld
[-]poststarthook/crd-informer-synced failed: not finished
[+]shutdown ok
readyz check failed
"""


@pytest.mark.parametrize(
    ("status", "text", "told"),
    [
        (
            500,
            TEXT,
            "/readyz answered 500, 2 of 5 checks fail: etcd, poststarthook/crd-informer-synced (not finished)",
        ),
        (500, "".join(f"[-]a{i} failed: reason withheld\n" for i in range(10)), "a6, a7 and 2 more"),
        (503, "upstream\n is away", "/readyz answered 503: upstream is away"),
        (500, "", "/readyz answered 500: nothing"),
    ],
)
def test_the_failing_checks_are_named(status: int, text: str, told: str) -> None:
    assert not_ready("/readyz", status, text).endswith(told)
