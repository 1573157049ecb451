"""Preparation of texts before any other use: normalisation, HTML to text, masking of personal data, cutting."""
