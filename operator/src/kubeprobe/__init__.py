"""kubeprobe: black-box probing for Kubernetes that says what broke, since when and why."""
