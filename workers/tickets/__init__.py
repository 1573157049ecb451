"""The tickets stream: the text of a ticket, how it is decided, and what is stored and published for it."""
