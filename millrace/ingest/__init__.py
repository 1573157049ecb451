"""The import of a file of tickets as events on the input topic: reading, mapping, checking, sending, reporting."""
