"""Training and evaluation on files: heads, policies and the weights of the search. No worker imports this package."""
