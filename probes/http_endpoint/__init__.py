"""HTTP and HTTPS endpoints, resident: every target at a fixed rate, each answer taken apart into its phases."""
