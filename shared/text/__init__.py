"""What a text goes through before anything sees it: normalisation, mail's trimmings, masking of personal data."""
