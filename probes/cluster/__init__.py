"""The case cluster."""
