"""What an exception says in a report."""

import errno

import pytest

from probe_sdk import Inconclusive, ProbeFailure, step
from probe_sdk.failure import errors_of, is_finding, of_time, reason_of, says_nothing
from probe_sdk.steps import Recorder


@pytest.mark.parametrize(
    ("error", "texts"),
    [
        (ProbeFailure("no leader", "no quorum"), ("no leader", "no quorum")),
        (ProbeFailure(), ()),
        (ValueError("bad"), ("ValueError: bad",)),
        (TimeoutError(), ("TimeoutError",)),
        (
            ExceptionGroup("several", [ProbeFailure("a", "b"), ExceptionGroup("more", [OSError("c")])]),
            ("a", "b", "OSError: c"),
        ),
    ],
)
def test_errors_of(error: Exception, texts: tuple[str, ...]) -> None:
    assert errors_of(error) == texts


def test_an_exception_that_came_of_a_time_out() -> None:
    assert of_time(TimeoutError())
    assert not of_time(ConnectionRefusedError())
    wrapped = RuntimeError("the library's own")
    wrapped.__cause__ = RuntimeError("its transport's")
    wrapped.__cause__.__context__ = TimeoutError("read")
    assert of_time(wrapped)


def test_an_error_is_told_with_its_step(recorder: Recorder) -> None:
    error = ConnectionRefusedError("port 2379")
    with pytest.raises(OSError, match="2379"), step("put"):
        raise error
    assert errors_of(error) == ("put: ConnectionRefusedError: port 2379",)


def test_a_finding_stands_as_it_is_said(recorder: Recorder) -> None:
    error = ProbeFailure("no leader")
    with pytest.raises(ProbeFailure, match="no leader"), step("put"):
        raise error
    assert errors_of(error) == ("no leader",)


def test_only_a_finding_without_a_cause_needs_no_traceback() -> None:
    caused = ProbeFailure("x")
    caused.__cause__ = OSError()
    assert is_finding(ProbeFailure("x"))
    assert not is_finding(caused)
    assert not is_finding(OSError())


def test_a_finding_reads_well_in_a_log() -> None:
    assert str(ProbeFailure("a", "b")) == "a; b"


@pytest.mark.parametrize(
    ("error", "reason", "nothing"),
    [
        (ProbeFailure("no leader"), "Finding", False),
        (ProbeFailure("no leader", reason="NoLeader"), "NoLeader", False),
        (Inconclusive("no file", reason="Files"), "Files", True),
        (OSError(errno.EMFILE, "too many"), "OSError", True),
        (OSError(errno.ECONNREFUSED, "refused"), "ConnectionRefusedError", False),
        (ValueError("bad"), "ValueError", False),
    ],
)
def test_a_word_for_it_and_whether_it_is_about_the_target(error: Exception, reason: str, nothing: bool) -> None:
    assert (reason_of(error), says_nothing(error)) == (reason, nothing)
