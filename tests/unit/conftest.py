"""What holds for every unit test."""

from hypothesis import settings

settings.register_profile("unit", deadline=None)  # a busy machine is no failure
settings.load_profile("unit")
