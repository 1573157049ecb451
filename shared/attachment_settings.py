"""The settings for pictures that are attached to the items of a stream."""

from pydantic import Field

from shared.settings_part import Part


class AttachmentSettings(Part):
    """Pictures that are attached to tickets; only for streams whose items have attachments."""

    read: bool = Field(
        default=False,
        description="Whether attached pictures are fetched, and stored with the text in them, to be searched. It needs the "
        "extras `reading` and `images` and the redrive, and uses a new collection. Off: they are only listed.",
    )
    at_once: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Pictures that are decoded and read at the same time, beside the batches. Each more keeps up to two "
        "cores busy, and takes about 250 MiB of memory. Raise it if pictures wait while cores are idle.",
    )
