"""Watches to work queue to gather to plan to apply: one file per kind."""
