"""The retry lane: records that cannot be processed yet wait in topics, and come back through the redo topic."""
