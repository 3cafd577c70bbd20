"""The objects of the API group kubeprobe.io as pydantic models, and the CRD schemas generated from them. No I/O."""
