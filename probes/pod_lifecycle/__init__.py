"""The case pod-lifecycle."""
