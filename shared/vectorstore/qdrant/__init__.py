"""Qdrant's server or cluster, which several workers share."""
