"""Write a kubeprobe probe: report success or failure, time steps, read typed parameters."""
