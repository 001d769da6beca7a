"""Rollouts on KServe: the `Deployment` port in both of its modes, and a memory in the cluster."""
