"""Every decision, pure: what was observed and the time go in, actions come out. No I/O."""
