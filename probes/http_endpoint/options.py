"""A request as libcurl's options, set once for a handle that asks again and again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import certifi
import pycurl

from http_endpoint.names import Addresses, Place
from http_endpoint.request import MAX_REDIRECTS, Request

FOLLOW_BY_CODE: Final = 2
"""CURLFOLLOW_OBEYCODE, for which pycurl has no name: what is asked for after a redirect is what its status says."""
CA_CACHE_TIMEOUT: Final = 321
"""An option of libcurl's for which pycurl has no name: for how long a file of CAs is believed to be the same."""
CA_SECONDS: Final = 60
"""It would be a day: CAs that were renewed would be strangers for as long."""


def set_up(curl: Any, request: Request, payload: bytes, timeout_seconds: float) -> None:
    """Make a handle ask for this.

    Args:
        payload: the body to send.
    """
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.URL, request.url.encode())
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.PROXY, "")
    limit(curl, timeout_seconds)
    curl.setopt(pycurl.USERAGENT, "kubeprobe")
    curl.setopt(pycurl.FOLLOWLOCATION, FOLLOW_BY_CODE if request.follow_redirects else 0)
    curl.setopt(pycurl.MAXREDIRS, MAX_REDIRECTS)
    _set_connection(curl, request)
    _set_request(curl, request, payload)
    _set_tls(curl, request)
    say_who(curl, request)


def limit(curl: Any, seconds: float) -> None:
    """Have the exchange take no longer than this."""
    curl.setopt(pycurl.TIMEOUT_MS, max(int(seconds * 1000), 1))


def lead(curl: Any, place: Place, addresses: Addresses) -> None:
    """Have the name lead to these addresses; libcurl asks nobody for it then."""
    host, port = place
    curl.setopt(pycurl.RESOLVE, [f"{host}:{port}:{','.join(map(_bracketed, addresses))}".encode()])


def say_who(curl: Any, request: Request) -> str:
    """Read the token or password as it is now; why it cannot be read, or nothing."""
    secret, unread = _secret(request.bearer_token_file or request.password_file)
    if request.bearer_token_file:
        curl.setopt(pycurl.HTTPHEADER, [*_headers(request), f"Authorization: Bearer {secret}".encode()])
    elif request.username:
        curl.setopt(pycurl.HTTPAUTH, pycurl.HTTPAUTH_BASIC)
        curl.setopt(pycurl.USERNAME, request.username.encode())
        curl.setopt(pycurl.PASSWORD, secret.encode())
    return unread


def is_secure(request: Request) -> bool:
    """Whether it goes over TLS."""
    return request.url.startswith("https:")


def _set_connection(curl: Any, request: Request) -> None:
    if request.address:
        named = _bracketed(urlsplit(request.url).hostname or "")
        curl.setopt(pycurl.CONNECT_TO, [f"{named}::{_bracketed(request.address)}:"])  # a redirect's host is another one
    if not request.keep_alive:
        curl.setopt(pycurl.FRESH_CONNECT, 1)
        curl.setopt(pycurl.FORBID_REUSE, 1)
    if request.http2:
        clear = pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS if is_secure(request) else clear)
    else:
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)


def _set_request(curl: Any, request: Request, payload: bytes) -> None:
    if request.method == "HEAD":
        curl.setopt(pycurl.NOBODY, 1)
    elif request.method != "GET":
        curl.setopt(pycurl.CUSTOMREQUEST, request.method)
    if payload or request.method == "POST":
        curl.setopt(pycurl.POSTFIELDS, payload)
        curl.setopt(pycurl.CUSTOMREQUEST, request.method)
    curl.setopt(pycurl.HTTPHEADER, _headers(request))


def _headers(request: Request) -> list[bytes]:
    headers = [(f"{name}: {value}" if value else f"{name};").encode() for name, value in request.headers.items()]
    if not request.keep_alive and not request.http2:
        # The side that closes first keeps the port for a minute: let it be theirs.
        headers.append(b"Connection: close")
    return headers


def _set_tls(curl: Any, request: Request) -> None:
    tls = request.tls
    curl.setopt(pycurl.SSL_VERIFYPEER, int(tls.verify))
    curl.setopt(pycurl.SSL_VERIFYHOST, 2 if tls.verify else 0)
    curl.setopt(pycurl.SSL_SESSIONID_CACHE, 0)  # a session that is taken up again shows the certificate it began with
    for option, path in (
        (pycurl.CAINFO, tls.ca_file or certifi.where()),
        (pycurl.SSLCERT, tls.cert_file),
        (pycurl.SSLKEY, tls.key_file),
    ):
        if path:
            curl.setopt(option, os.fsencode(path))
    curl.setopt(CA_CACHE_TIMEOUT, CA_SECONDS)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _secret(path: str) -> tuple[str, str]:
    """What a file holds, and why it cannot be read."""
    if not path:
        return "", ""
    try:
        return Path(path).read_text().strip(), ""
    except (OSError, UnicodeDecodeError) as error:
        return "", f"{path} cannot be read: {error}"
