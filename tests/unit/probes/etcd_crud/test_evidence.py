"""What a member says about itself, in words."""

from typing import Any

import pytest

from etcd_crud.evidence import read_status


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"leader": "7", "dbSize": "1048576", "dbSizeQuota": "2147483648"}, "a leader, no alarm, database of 1.0 MiB"),
        ({"dbSize": "1048576", "errors": ["etcdserver: no leader"]}, "etcdserver: no leader"),
        ({"dbSize": "1048576"}, "no leader"),
        (
            {"leader": "7", "dbSize": "221184", "dbSizeQuota": "200000", "errors": ["memberID:1 alarm:NOSPACE "]},
            "memberID:1 alarm:NOSPACE, database of 0.2 MiB at a quota of 0.2 MiB",
        ),
    ],
)
def test_status_in_words(status: dict[str, Any], words: str) -> None:
    assert read_status(status) == f"the member's own status: {words}"
