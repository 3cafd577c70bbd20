"""A cluster with kubeprobe in it, to prove things on: shared by the end-to-end tests, the benches and the demo."""
