"""The case pod-lifecycle: can a pod be created, started, reached and removed, and how long does each step take."""
