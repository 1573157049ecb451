"""How much sound a WAV file states. FFmpeg cuts the statement down to the size of the file, so that it is read here."""

RIFF_HEADER_BYTES = 12
CHUNK_HEADER_BYTES = 8
DS64_DATA_SIZE_AT = 8
UNKNOWN_SIZES = (0, 0xFFFF_FFFF)
"""Sizes of recordings that were written as a stream, without going back to the header."""


def stated_share(content: bytes) -> float:
    """Return the stated size of the samples divided by the size of those that are there; 1 if nothing is stated.

    The chunks are those of RIFF and, for large files, of EBU Tech 3306 (RF64), whose chunk `ds64` holds the size.
    """
    at, size_of_rf64 = RIFF_HEADER_BYTES, 0
    while at + CHUNK_HEADER_BYTES <= len(content):
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        begin = at + CHUNK_HEADER_BYTES
        if name == b"ds64":
            size_of_rf64 = int.from_bytes(content[begin + DS64_DATA_SIZE_AT : begin + 2 * DS64_DATA_SIZE_AT], "little")
        if name == b"data":
            stated, there = size_of_rf64 or size, len(content) - begin
            return 1.0 if stated in UNKNOWN_SIZES or not 0 < there < stated else stated / there
        at = begin + size + size % 2
    return 1.0
