"""Lag and age of consumer groups: what is measured, how it moves, and which state that is. `docs/lag.md` defines them."""
