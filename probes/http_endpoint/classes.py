"""The classes of what is not well, by which probes are counted: libcurl's many errors come to a few words."""

from __future__ import annotations

from typing import Final

import pycurl

from probe_sdk.resident.rota import TIMEOUT

LACK: Final = "ProberLacks"
DNS: Final = "DNS"
CONNECT: Final = "Connect"
CLASSES: Final = {
    pycurl.E_OUT_OF_MEMORY: LACK,
    pycurl.E_FAILED_INIT: LACK,
    pycurl.E_INTERFACE_FAILED: LACK,
    pycurl.E_COULDNT_RESOLVE_HOST: DNS,
    pycurl.E_COULDNT_RESOLVE_PROXY: DNS,
    pycurl.E_COULDNT_CONNECT: CONNECT,
    pycurl.E_OPERATION_TIMEDOUT: TIMEOUT,
    pycurl.E_SSL_CONNECT_ERROR: "TLS",
    pycurl.E_PEER_FAILED_VERIFICATION: "Certificate",
    pycurl.E_SSL_CERTPROBLEM: "ClientCertificate",
    pycurl.E_SSL_CACERT_BADFILE: "CAFile",
    pycurl.E_TOO_MANY_REDIRECTS: "Redirects",
    pycurl.E_GOT_NOTHING: "EmptyReply",
    pycurl.E_SEND_ERROR: "Reset",
    pycurl.E_RECV_ERROR: "Reset",
    pycurl.E_PARTIAL_FILE: "Reset",
    pycurl.E_WRITE_ERROR: "BodyTooLong",
    pycurl.E_HTTP2: "HTTP2",
    92: "HTTP2",
}
OURS: Final = frozenset({"ClientCertificate", "CAFile", LACK})
"""What the prober itself lacks says nothing about the target."""
UNCLASSED: Final = "Protocol"
