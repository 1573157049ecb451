"""From a file of tickets to events on the input topic: reading, mapping, checking, sending, reporting."""
