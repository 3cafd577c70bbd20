"""The resident loop: probe every target at a fixed rate without a gap, count, and tell what turned.

`slots` says when, `account` counts and decides each target's verdict, `starvation` tells the prober's own lateness from
the target's, `tell` brings it home, `page` shows it to Prometheus.
"""
