"""A platform for tests: an API server and KServe's controllers over real HTTP on loopback.

The real `kubernetes` client speaks to it, pods answer `/metrics` and predictions at addresses of
their own, and traffic flows to revisions as their routes say. Every behaviour that is imitated
names the place where it was read: KServe aaac4e294 (2026-08-21), Knative Serving 98e5ef90a
(2026-08-21).
"""
