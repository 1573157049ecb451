"""Drawing of product pictures that look like simple photos, by Pillow and NumPy alone."""
