"""The size of a WebP picture by its header. The library for WebP takes the memory for all pixels before Pillow says it."""

RIFF_HEADER_BYTES = 12
BODY_AT = RIFF_HEADER_BYTES + 8
VP8_START = b"\x9d\x01\x2a"
VP8_SIZE_AT = 6
VP8L_SIGNATURE = b"\x2f"
VP8X_SIZE_AT = 4
SIDE_14_BITS = 0x3FFF


def webp_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels; None if the first chunk has none of the three known forms.

    The forms are those of RFC 9649: `VP8X` with the canvas, `VP8L` (section 3.4) and `VP8 ` (RFC 6386, section 9.1).
    """
    name, body = content[RIFF_HEADER_BYTES : RIFF_HEADER_BYTES + 4], content[BODY_AT : BODY_AT + 10]
    if len(body) < 10:
        return None
    if name == b"VP8X":
        width, height = (int.from_bytes(body[at : at + 3], "little") for at in (VP8X_SIZE_AT, VP8X_SIZE_AT + 3))
        return width + 1, height + 1
    if name == b"VP8L" and body.startswith(VP8L_SIGNATURE):
        bits = int.from_bytes(body[1:5], "little")
        return (bits & SIDE_14_BITS) + 1, (bits >> 14 & SIDE_14_BITS) + 1
    if name == b"VP8 " and body[3:6] == VP8_START:
        width, height = (int.from_bytes(body[at : at + 2], "little") for at in (VP8_SIZE_AT, VP8_SIZE_AT + 2))
        return width & SIDE_14_BITS, height & SIDE_14_BITS
    return None
