"""HTTP and HTTPS endpoints, resident: status, body, headers, certificate and redirects, with the time of each phase."""

import os

from http_endpoint.prober import HttpProber
from probe_sdk.environment import Environment
from probe_sdk.resident.service import serve, spec_file
from probe_sdk.wire import ENV_PAGE_PORT, ENV_RESIDENT

USUAL_PORT = 9090


def main() -> int:
    """Probe until asked to end."""
    folder, port = os.environ.get(ENV_RESIDENT, "."), int(os.environ.get(ENV_PAGE_PORT, USUAL_PORT))
    return serve(spec_file(folder), Environment.read(os.environ), HttpProber, port)


if __name__ == "__main__":
    raise SystemExit(main())
