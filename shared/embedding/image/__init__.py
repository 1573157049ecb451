"""Models of pictures: preparing pixels, loading by timm or transformers, computing vectors and classes."""
