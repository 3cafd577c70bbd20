"""HTTP in: reports, health and metrics. The only room that serves HTTP."""
