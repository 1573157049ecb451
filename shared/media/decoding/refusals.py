"""Why a child refuses a content."""


class Unreadable(Exception):
    """The content is damaged, or holds nothing that can be decoded."""


class TooMuch(Exception):
    """The content exceeds a limit."""
