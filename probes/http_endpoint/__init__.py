"""HTTP and HTTPS endpoints, each answer taken apart into its phases; resident, every target at a fixed rate."""
