"""What holds for every unit test."""

import os

from hypothesis import settings

# A busy machine is no failure. In CI the examples are the same each time, so that a red run is its change's own;
# at a desk they are new each time, so that somebody finds what nobody thought of.
settings.register_profile("unit", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("unit")
