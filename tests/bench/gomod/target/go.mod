module kubeprobe.io/bench/target

go 1.24
