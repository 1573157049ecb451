"""Input that was made to break things."""
