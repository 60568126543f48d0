"""The program of `infra.media.thumbnails`: reads a picture from its input and writes a small JPEG to its output."""

import io
import resource
import sys

PIXELS = 50_000_000
"""Larger pictures are not opened: a few kilobytes can claim any size."""
SIDE = 480
_MEMORY = 1024 * 1024 * 1024
_PROCESSOR_SECONDS = 10


def small(data: bytes) -> bytes:
    """Returns a JPEG of the picture, turned as its camera was held. Raises OSError, ValueError, SyntaxError."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = PIXELS // 2  # Pillow raises an error from twice this number on
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as picture:
        picture.draft("RGB", (SIDE * 2, SIDE * 2))
        upright = ImageOps.exif_transpose(picture)
    upright.thumbnail((SIDE, SIDE))
    # on a new picture nothing is left of what the old one says about itself
    clean = Image.new("RGB", upright.size, "white")
    layer = upright.convert("RGBA")
    clean.paste(layer, mask=layer)
    out = io.BytesIO()
    clean.save(out, "JPEG", quality=80)
    return out.getvalue()


def main() -> int:
    """Returns the exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_SECONDS, _PROCESSOR_SECONDS))
    try:
        made = small(sys.stdin.buffer.read())
    except Exception:
        return 1
    sys.stdout.buffer.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
