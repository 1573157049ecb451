"""Helpers shared by the suites: fakes, builders of events, servers on loopback, and workers in processes of their own."""
