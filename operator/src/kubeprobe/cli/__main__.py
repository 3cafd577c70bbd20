"""`python -m kubeprobe.cli`: the same command where no console script is installed."""

from kubeprobe.cli.main import main

main()
