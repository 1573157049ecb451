"""The calls stream: the recording of a call, its transcript, how it is decided, and what is stored and published for it."""
