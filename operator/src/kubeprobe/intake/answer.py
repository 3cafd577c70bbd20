"""Answers as they leave: what they are, and nothing of which versions of what are running here."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import hdrs, web

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
SERVER = "kubeprobe"


def answer(
    body: bytes, content_type: str, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An answer with its body."""
    told = {hdrs.CONTENT_TYPE: content_type, hdrs.SERVER: SERVER}
    return web.Response(body=body, status=status, headers=told | dict(headers) if headers else told)
