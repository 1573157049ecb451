"""Similar solved tickets: ranking what the store found, the suggested reply, and measuring both on labelled data."""
