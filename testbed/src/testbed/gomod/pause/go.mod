module kubeprobe.io/testbed/pause

go 1.25.0
