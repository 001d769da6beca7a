"""What an installation on a cluster needs besides its manifests: credentials, and who may do what.

In: what the chart says about the place (`site`). Out: Secrets that stay from then on, users of the
store and of MLflow with no more rights than their role needs. The chart's Jobs run it.
"""
