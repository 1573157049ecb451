"""Reading the text in pictures, such as screenshots of error messages."""
