"""What would go wrong on a cluster, found before it does: in files, or in what is live."""
