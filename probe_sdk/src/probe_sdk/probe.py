"""A probe: a check, the model of its parameters, and a `main` that makes a process of them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from pydantic import BaseModel

from probe_sdk.arguments import read_params
from probe_sdk.clock import Deadline, process_deadline
from probe_sdk.environment import Environment
from probe_sdk.execution import Execution, TerminatedError
from probe_sdk.failure import ProbeFailure
from probe_sdk.params import openapi_schema
from probe_sdk.reporting import Reporter
from probe_sdk.steps import current_recorder
from probe_sdk.wire import TERMINATION_LOG

if TYPE_CHECKING:
    from probe_sdk.resident.service import MakeDriver

P = TypeVar("P", bound=BaseModel)
R = TypeVar("R")

_EXIT_TERMINATED = 128 + signal.SIGTERM


class Probe(Generic[P]):
    """Runs a check with typed parameters and reports how it went.

    Args:
        model: the parameters, a subclass of `params.Model`; `params.Model` itself for a probe without any.
        driver: what probes in a resident prober, instead of the check.
    """

    def __init__(self, model: type[P], driver: MakeDriver | None = None) -> None:
        self._model = model
        self._driver = driver
        self._check: Callable[[P], object] | None = None

    def run(self, check: Callable[[P], R]) -> Callable[[P], R]:
        """Make a function the check: returning is success, raising is failure. `def` or `async def`."""
        if self._check is not None:
            raise TypeError(f"the probe has its check already: write a Probe of its own for {check!r}")
        self._check = check
        return check

    def json_schema(self) -> dict[str, Any]:
        """Return the OpenAPI v3 schema of the parameters, for `spec.params` of a ProbeTemplate."""
        return openapi_schema(self._model)

    def main(
        self,
        arguments: Sequence[str] | None = None,
        *,
        variables: Mapping[str, str] | None = None,
        termination_log: str = TERMINATION_LOG,
    ) -> NoReturn:
        """Run the check once, report, and exit: 0 when it passed, 1 when it failed; or stay, where that is asked for.

        Args:
            arguments: the command line; by default the process's own.
            variables: the environment; by default the process's own.
            termination_log: where the container's termination message goes.
        """
        environment = Environment.read(os.environ if variables is None else variables)
        if environment.resident:
            _end(self._stay(environment))
        deadline = Deadline(environment.deadline, process_deadline().started)
        reporter = Reporter(environment, deadline, termination_log)
        _end_on_sigterm()
        code = self._once(Execution(reporter, current_recorder(), deadline), environment, arguments)
        sys.exit(code)

    def _stay(self, environment: Environment) -> int:
        """Run the check for every slot of every target, until the process is asked to end."""
        from probe_sdk.resident.driver import CheckDriver
        from probe_sdk.resident.service import serve, spec_file

        check = self._the_check()
        driver = self._driver or (lambda rota: CheckDriver(rota, check, self._model))
        return serve(spec_file(environment.resident), environment, driver, environment.page_port)

    def _the_check(self) -> Callable[[P], object]:
        if self._check is None:
            raise TypeError("the probe has no check: put @probe.run over a function")
        return self._check

    def _once(self, execution: Execution, environment: Environment, arguments: Sequence[str] | None) -> int:
        check = self._the_check()
        try:
            params = read_params(self._model, environment.params, sys.argv[1:] if arguments is None else arguments)
        except ProbeFailure as wrong:
            return execution.settle(wrong.errors)
        return execution.run(partial(check, params))


def _end(code: int) -> NoReturn:
    """End without waiting for threads: a check that hangs in one, or a look-up, would hold up the pod's end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _end_on_sigterm() -> None:
    """Process 1 of a container ignores SIGTERM unless it has a handler, and then a deleted pod lingers."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise TerminatedError(_EXIT_TERMINATED)
