"""Media from outside the process: fetching and decoding bytes that nobody has checked."""
