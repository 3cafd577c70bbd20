"""The command kubeprobe, also installed as a kubectl plugin."""
