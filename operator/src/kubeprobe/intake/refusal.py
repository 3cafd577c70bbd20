"""Answers that are not the wanted one: a status, a text that names the way out, and what the protocol adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from pydantic import ValidationError
from pydantic_core import to_json

from kubeprobe.intake.answer import JSON, answer
from kubeprobe.intake.port import Told
from probe_sdk.wire import cut

RETRY_AFTER_SECONDS = 1
TOLD_FINDINGS = 3
MAX_TEXT_BYTES = 1024
SEE = "see /openapi.json"


class RefusalError(Exception):
    """A request that is answered with an error.

    Args:
        status: the HTTP status.
        text: what is wrong and what to do about it.
        headers: further headers of the answer.
        end: whether the connection ends with it, because the rest of the request is not wanted.
    """

    def __init__(
        self, status: HTTPStatus, text: str, headers: Mapping[str, str] | None = None, *, end: bool = False
    ) -> None:
        super().__init__(text)
        self.status = status
        self._headers = headers
        self._end = end

    def response(self) -> web.Response:
        """The answer to send."""
        response = answer(to_json({"error": str(self)}), JSON, self.status, self._headers)
        if self._end:
            response.force_close()
        return response


def too_large(what: str, max_bytes: int) -> RefusalError:
    """The body is over its bound."""
    text = f"{what} may take {max_bytes} bytes: shorten its texts"
    return RefusalError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text, end=True)


def too_slow(seconds: float) -> RefusalError:
    """The body did not arrive in time."""
    text = f"the body did not arrive within {seconds:g}s: send it in one piece"
    return RefusalError(HTTPStatus.REQUEST_TIMEOUT, text, end=True)


def broken_off() -> RefusalError:
    """The body ended before its end, or is not what its headers say."""
    return RefusalError(HTTPStatus.BAD_REQUEST, "the body is broken off: send it again, whole", end=True)


def compressed() -> RefusalError:
    """The body has an encoding."""
    text = "the body has a Content-Encoding: send the JSON as it is"
    return RefusalError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text, {"Accept-Encoding": "identity"})


def no_token() -> RefusalError:
    """The request shows no token."""
    text = "send 'Authorization: Bearer' with the token in the file that KUBEPROBE_TOKEN_FILE names"
    return RefusalError(HTTPStatus.UNAUTHORIZED, text, {"WWW-Authenticate": 'Bearer realm="kubeprobe"'})


def bad_token(why: str) -> RefusalError:
    """The request shows a token that is not good."""
    challenge = 'Bearer realm="kubeprobe", error="invalid_token"'
    return RefusalError(HTTPStatus.UNAUTHORIZED, why, {"WWW-Authenticate": challenge})


def later(why: str, *, end: bool = False) -> RefusalError:
    """Nothing is wrong with the request, but it cannot be answered now."""
    return RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, why, {"Retry-After": str(RETRY_AFTER_SECONDS)}, end=end)


def too_often(seconds: int) -> RefusalError:
    """The sender asks more often than anybody needs to."""
    text = f"too many calls: ask again in {seconds}s, and then less often"
    return RefusalError(HTTPStatus.TOO_MANY_REQUESTS, text, {"Retry-After": str(seconds)})


def malformed(what: str, error: ValidationError) -> RefusalError:
    """The body is not JSON, or not what is wanted; names the fields, and nothing of their contents that is long."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    told = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in found[:TOLD_FINDINGS])
    rest = f"; and {len(found) - TOLD_FINDINGS} more" if len(found) > TOLD_FINDINGS else ""
    return RefusalError(HTTPStatus.BAD_REQUEST, cut(f"the body is not {what}, {SEE}: {told}{rest}", MAX_TEXT_BYTES))


def not_recorded(why: Told) -> RefusalError:
    """What the operator made of what was posted, when it is not recorded.

    Where it cannot be now, this replica may be one that leads no more: by a new connection the Service finds the one
    that does, while a kept one would stay here for ever.
    """
    unavailable = why.status == HTTPStatus.SERVICE_UNAVAILABLE
    return later(why.text, end=True) if unavailable else RefusalError(HTTPStatus(why.status), why.text)
