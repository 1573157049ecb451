"""The characters and words that the small models of the suites know."""

CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,?!'éüßñ"
WORDS = (
    "where",
    "is",
    "my",
    "order",
    "parcel",
    "the",
    "not",
    "arrived",
    "refund",
    "please",
    "bonjour",
    "je",
    "ne",
    "money",
)
