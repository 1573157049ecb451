"""The settings for the decoding of media: how many processes decode, and the limits of one medium."""

from pydantic import Field

from shared.settings_part import Part


class DecodingSettings(Part):
    """Decoding of media, in processes that can do nothing else. A medium beyond a limit becomes a dead letter."""

    processes: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Processes that decode, for each stream that has media; each takes a core and 60 to 200 MiB. As many "
        "as the cores that the rest of the worker leaves free.",
    )
    memory_mib: int = Field(
        default=1024,
        ge=64,
        description="Memory that one medium may take in its process, in addition to its content; a picture takes up to "
        "10 bytes per pixel of `max_pixels`.",
    )
    cpu_s: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        description="Processor time for one medium. Six hours of sound take 10 to 40 s; it may take four times as long by "
        "the clock.",
    )
    max_pixels: int = Field(
        default=1 << 26,
        ge=1,
        le=1 << 30,
        description="Largest picture, in pixels, by its header; the default allows 67 megapixels.",
    )
    max_frames: int = Field(
        default=256, ge=1, description="Most frames of an animated picture, of which only the first is decoded."
    )
    side_px: int = Field(
        default=2048,
        ge=16,
        le=16384,
        description="A picture with a longer side is scaled down to this; far more than models of pictures read, and "
        "enough to read small print.",
    )
    max_sound_s: float = Field(
        default=8 * 3600.0, gt=0, le=48 * 3600.0, description="Longest sound; one hour takes 115 MB of samples."
    )
