"""HTTP and HTTPS endpoints: status, body, headers, certificate and redirects, with the time of each phase."""

from http_endpoint.exchange import Exchange
from http_endpoint.once import exchanged, timeout_seconds
from http_endpoint.prober import HttpProber
from http_endpoint.request import Request
from probe_sdk import Probe

probe = Probe(Request, driver=HttpProber)


@probe.run
def check(p: Request) -> None:
    """Ask once."""
    exchanged(Exchange(p, timeout_seconds()))


if __name__ == "__main__":
    probe.main()
