"""Whole workers on real servers, killed and restarted."""
