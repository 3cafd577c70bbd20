"""The case deployment-lifecycle."""
