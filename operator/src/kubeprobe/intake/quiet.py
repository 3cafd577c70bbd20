"""What aiohttp may say in the log: its HTTP parser quotes headers, and what is in them is nobody's to read."""

from __future__ import annotations

import logging
import traceback
from typing import Any

from aiohttp import http_exceptions


class QuietLogger(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's log, with the kind and place of errors but not their text: its HTTP parser quotes the headers in it."""

    def exception(self, msg: object, *args: object, exc_info: Any = True, **kwargs: Any) -> None:
        """See `logging.Logger.exception`."""
        self.log(logging.ERROR, msg, *args, exc_info=exc_info, **kwargs)

    def log(self, level: int, msg: object, *args: object, exc_info: Any = None, **kwargs: Any) -> None:
        """See `logging.Logger.log`; of an error only its kind and place."""
        if not isinstance(exc_info, BaseException):
            super().log(level, msg, *args, **kwargs)
            return
        from_sender = isinstance(exc_info, http_exceptions.HttpProcessingError)
        where = "" if from_sender else "\n" + "".join(traceback.format_tb(exc_info.__traceback__))
        kind = type(exc_info).__name__
        super().log(logging.DEBUG if from_sender else level, f"{msg}: %s%s", *args, kind, where, **kwargs)
