"""TCP endpoints: is a connection taken, does TLS stand, and is something said answered as expected."""
