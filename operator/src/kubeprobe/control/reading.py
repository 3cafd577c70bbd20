"""Objects of others, read with care: what no schema of Kubernetes holds to can be anything, and is to end no watch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def with_care() -> Iterator[None]:
    """Read an object within the block.

    Raises:
        ValueError: it is not made as its kind is. Who watches tells of that, and goes on with the others.
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"it is not made as its kind is: {error!r}") from error
