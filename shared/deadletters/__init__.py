"""Dead letters: writing and reading their envelope, and selecting, counting, replaying and watching them."""
