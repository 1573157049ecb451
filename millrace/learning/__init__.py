"""What trains and evaluates on files: heads, policies, and the weights of the search. No worker imports it."""
