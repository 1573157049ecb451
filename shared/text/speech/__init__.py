"""Finds personal data that is said aloud: words to tokens, tokens to digits, digits to spans."""
