"""Recognition of speech: which parts of a recording are speech, what is said in them, and what remains unaccounted for."""
