"""A gRPC server's health by grpc.health.v1: SERVING, over a connection of its own each time."""

from functools import partial

from grpc_endpoint.health import Health, HealthExchange, as_request, request_of
from http_endpoint.once import exchanged, timeout_seconds
from http_endpoint.prober import HttpProber
from probe_sdk import Probe

probe = Probe(Health, driver=partial(HttpProber, request_of=request_of, exchange=HealthExchange))


@probe.run
def check(p: Health) -> None:
    """Ask once."""
    exchanged(HealthExchange(as_request(p), timeout_seconds()))


if __name__ == "__main__":
    probe.main()
