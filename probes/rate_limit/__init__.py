"""The case rate-limit: are the API server's priority and fairness as they should be, and do they throttle."""
