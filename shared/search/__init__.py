"""Search for similar solved tickets: ranking, explanation and suggested reply. `tuning` chooses the weights."""
