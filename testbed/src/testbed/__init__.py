"""A real Kubernetes on one Linux machine without Docker, to test and break."""
