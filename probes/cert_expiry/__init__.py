"""The case cert-expiry."""
