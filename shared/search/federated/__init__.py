"""One search over several collections: each is asked in its own way, and answers are merged by what chance gives."""
