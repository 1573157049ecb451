"""Search: similar solved tickets ranked and explained, and the suggested reply. `tuning` measures and chooses weights."""
