"""Reading the text in pictures, such as screenshots."""
