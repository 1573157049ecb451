"""Models of speech: pieces of speech in, phrases or encoder states out; one adapter for each library that runs them."""
