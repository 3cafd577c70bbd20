"""What the operating system says, in its own few words."""

from __future__ import annotations

import os


def cause(error: OSError) -> str:
    """Why a call failed."""
    if error.errno is not None and error.errno > 0 and not error.filename:
        return os.strerror(error.errno).lower()  # asyncio puts the address in place of the reason
    return (error.strerror or str(error) or type(error).__name__).lower()
