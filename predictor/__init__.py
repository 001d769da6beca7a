"""The model server: one package, answering the Open Inference Protocol V2 over REST and gRPC."""
