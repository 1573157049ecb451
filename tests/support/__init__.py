"""What the suites share: fakes, builders of events, servers on loopback, and workers in processes of their own."""
