"""The products stream: the images of products, how they are classified, and what is stored and published for them."""
