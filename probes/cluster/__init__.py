"""What several cases share: the cluster's API, watches, and reading from a pod's state why it is stuck.

This file stays empty of imports: `python -m cluster.serve` is started in every subject pod and has to be fast.
"""
