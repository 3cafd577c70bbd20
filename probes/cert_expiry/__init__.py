"""The case cert-expiry: which certificates run out soon, or would not be accepted already."""
