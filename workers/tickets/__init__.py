"""The tickets stream: what a ticket's text is, how it is decided, and what is written and published for it."""
