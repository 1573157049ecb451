"""How anything runs: engine, ports and their adapters. Knows no stream."""
