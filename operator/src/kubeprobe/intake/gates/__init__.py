"""The HTTP gate: whether changes may pass, for release tools and CI jobs that ask."""
