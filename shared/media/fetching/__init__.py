"""Fetching the content of media within the limits of the settings. Knows no stream and no kind of content."""
