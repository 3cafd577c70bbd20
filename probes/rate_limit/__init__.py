"""The case rate-limit."""
