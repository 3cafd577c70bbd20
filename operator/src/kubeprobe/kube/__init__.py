"""The API server behind one small port. The only room that imports the kubernetes client."""
