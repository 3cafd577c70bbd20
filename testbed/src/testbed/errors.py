"""The one error that a user of the testbed sees: what went wrong, and the way out."""


class TestbedError(Exception):
    """Something the user can act on; its text names the thing and the way out."""

    __test__ = False  # not a test class, whatever its name begins with
