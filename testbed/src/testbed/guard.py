"""End a control plane when the process that started it is gone, however it went.

Run as `python -m testbed.guard STATE` with a pipe as standard input: the pipe's end is the sign. So a killed test
session leaves no API server behind.
"""

from __future__ import annotations

import sys
from pathlib import Path

from testbed.process import Supervisor


def main() -> None:
    """Wait for the end of standard input, then end every recorded process."""
    state = Path(sys.argv[1])
    sys.stdin.read()
    supervisor = Supervisor(state / "processes", state / "logs")
    for name in supervisor.names():
        supervisor.stop(name, at_once=True)


if __name__ == "__main__":
    main()
