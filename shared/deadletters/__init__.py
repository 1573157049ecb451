"""Dead letters as they are read back: their envelope, choosing among them, counting them, sending them again. No I/O."""
