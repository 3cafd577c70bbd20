"""The parameters, and how long a lease has to last."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from etcd_crud.client import tls_context
from etcd_crud.probe import Params, lease_seconds
from probe_sdk import ProbeFailure
from probe_sdk.wire import ENV_DEADLINE

ENDPOINTS = {"endpoints": ["https://10.0.0.1:2379"]}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"endpoints": []}, "at least 1"),
        ({"endpoints": ["10.0.0.1:2379"]}, "pattern"),
        ({"endpoints": ["http://10.0.0.1:2379"]}, "pattern"),
        ({**ENDPOINTS, "rounds": 0}, "greater than or equal to 1"),
        ({**ENDPOINTS, "maxLatency": "3s"}, r"requestTimeout \(2s\) must be longer than maxLatency \(3s\)"),
        ({**ENDPOINTS, "maxLatency": "fast"}, "not a duration"),
        ({**ENDPOINTS, "maxLatncy": "1s"}, "Extra inputs"),
    ],
)
def test_wrong_parameters_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Params.model_validate(wrong)


def test_the_lease_outlives_the_run_and_not_by_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENV_DEADLINE, raising=False)
    assert lease_seconds() == 75
    end = datetime.now(UTC) + timedelta(seconds=30)
    monkeypatch.setenv(ENV_DEADLINE, end.isoformat().replace("+00:00", "Z"))
    assert 30 <= lease_seconds() <= 45


def test_a_missing_file_is_told_by_its_parameter_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ProbeFailure, match=r"caFile: there is no file .*podOverrides.volumes"):
        tls_context(tmp_path / "ca.crt", tmp_path / "tls.crt", tmp_path / "tls.key")


def test_files_that_are_no_certificates_are_told(tmp_path: Path) -> None:
    for name in ("ca.crt", "tls.crt", "tls.key"):
        (tmp_path / name).write_text("hello")
    with pytest.raises(ProbeFailure, match="are no CA, certificate and matching key in PEM"):
        tls_context(tmp_path / "ca.crt", tmp_path / "tls.crt", tmp_path / "tls.key")
