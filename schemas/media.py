"""A medium of an event, such as a recording or a picture: inline, or by reference."""

from base64 import b64decode
from binascii import Error
from functools import cached_property
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from schemas.base import Frozen

INLINE_LIMIT_BYTES = 512 << 10
"""The largest inline content, before base64, which adds a third: an event must fit into a message of 1 MiB."""

SCHEMES = ("https", "http", "s3", "gs", "file")
URI_LIMIT_CHARS = 2_048


class Media(Frozen):
    """The content of a medium, or where it is. Its bytes decide its kind, never its name."""

    uri: Annotated[str, Field(max_length=URI_LIMIT_CHARS)] | None = Field(
        default=None, description="Where the content is: https:, s3:, gs: or file:, as far as the settings allow it."
    )
    inline: str | None = Field(
        default=None, description="The content itself in base64, at most 512 KiB before the encoding."
    )
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = Field(
        default=None, description="SHA-256 of the content, in lower-case hex; content with another digest is refused."
    )

    @cached_property
    def content(self) -> bytes | None:
        """The inline content; None for a reference."""
        return None if self.inline is None else b64decode(self.inline, validate=True)

    @field_validator("uri")
    @classmethod
    def _is_a_uri(cls, uri: str | None) -> str | None:
        if uri is None:
            return None
        try:
            scheme = urlsplit(uri).scheme
        except ValueError:
            scheme = ""
        if scheme not in SCHEMES or not uri.isprintable():
            raise ValueError(f"is not a URI with one of the schemes {', '.join(SCHEMES)}")
        return uri

    @field_validator("inline")
    @classmethod
    def _is_content(cls, inline: str | None) -> str | None:
        if inline is None:
            return None
        try:
            size_bytes = len(b64decode(inline, validate=True))
        except (Error, ValueError):
            raise ValueError("is not valid base64") from None
        if not 0 < size_bytes <= INLINE_LIMIT_BYTES:
            raise ValueError(f"has {size_bytes} bytes; inline content has 1 to {INLINE_LIMIT_BYTES} bytes")
        return inline

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.uri is None) == (self.inline is None):
            raise ValueError("needs either uri or inline")
        return self
