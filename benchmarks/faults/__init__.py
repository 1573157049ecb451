"""Outages of the services around a worker, long enough to be measured."""
