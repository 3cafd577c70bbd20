"""The case deployment-lifecycle: can a Deployment be rolled out, reached through its Service, scaled and removed."""
