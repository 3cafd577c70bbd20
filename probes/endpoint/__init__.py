"""What the probes of single endpoints share: names and connections, TLS and what is wrong with it, patterns."""
