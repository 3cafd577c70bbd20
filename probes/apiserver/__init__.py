"""API servers, each asked by itself: is it ready, and how fast does it read, write and tell of a write."""
