"""Building references from items. No code that runs in a worker imports this package."""
