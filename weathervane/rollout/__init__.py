"""Moving traffic to a new model step by step, watching, and taking it back when it is worse."""
