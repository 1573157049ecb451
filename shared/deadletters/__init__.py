"""Dead letters after they were written: reading, choosing, counting, replaying and watching them."""
