"""HTTP and HTTPS endpoints, resident: status, body, headers, certificate and redirects, with the time of each phase."""

import os

from http_endpoint.prober import HttpProber
from probe_sdk.environment import Environment
from probe_sdk.resident.service import serve, spec_file


def main() -> int:
    """Probe until asked to end; outside a cluster what the file in this folder says."""
    environment = Environment.read(os.environ)
    return serve(spec_file(environment.resident or "."), environment, HttpProber, environment.page_port)


if __name__ == "__main__":
    raise SystemExit(main())
