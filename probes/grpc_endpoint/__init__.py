"""gRPC servers by their own health service, grpc.health.v1; resident, every target at a fixed rate."""
