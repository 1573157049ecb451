"""Laws that hold for arbitrary input, looked for by hypothesis."""
