"""Faults while probes run, and the invariants that have to hold whatever happens."""
