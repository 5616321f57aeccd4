"""The demo's sample container: what a researcher's looks like, small, the same bytes on every machine.

Needs the `demo` extra for the Parquet file and the arrays.
"""

import io
import random
import struct
import zlib
from collections.abc import Iterator

from mountd.errors import MissingExtra

LARGE_FILE = "large/random-64MiB.bin"
LARGE_SIZE = 64 << 20
IMAGES_PER_CLASS = 60

AWKWARD_NAMES = (
    "names/with spaces and (brackets).txt",
    "names/100% sure? #1 + more & more.txt",
    "names/back\\slash.txt",
    "names/trailing dot.",
    "names/cafe\u0301 decomposed.txt",
    "names/caf\u00e9 composed.txt",
    "names/日本語/深い/ファイル.txt",
    "names/smile \U0001f600.txt",
    "names/double//slash.txt",
    "names/dots/../and/./more.txt",
    "/leading slash.txt",
    "names/both",
    "names/both/a file and a folder of one name.txt",
    "names/" + "long-" * 60 + ".txt",
)


def objects(seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Every (key, bytes) of the container."""
    try:
        import numpy
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra(
            f"The demo's sample files need {error.name}.", remedy='Install it: pip install "mountd[daemon,demo]".'
        ) from None
    choose = random.Random(seed)
    yield "README.txt", b"A sample container: images, a table, arrays, a large file and awkward names.\n"
    for animal in ("cats", "dogs", "owls"):
        for number in range(IMAGES_PER_CLASS):
            yield f"images/{animal}/{number:04d}.png", _picture(choose)
    rows = [(index, choose.choice(("red", "green", "blue")), choose.random()) for index in range(20_000)]
    yield (
        "tables/measurements.csv",
        "".join(["id,colour,value\n", *(f"{i},{c},{v:.6f}\n" for i, c, v in rows)]).encode(),
    )
    ids, colours, values = zip(*rows, strict=True)
    parquet = io.BytesIO()
    table = pyarrow.table({"id": list(ids), "colour": list(colours), "value": list(values)})
    pyarrow.parquet.write_table(table, parquet, row_group_size=4_000)
    yield "tables/measurements.parquet", parquet.getvalue()
    arrays = io.BytesIO()
    generator = numpy.random.default_rng(seed)
    numpy.savez(arrays, weights=generator.random((512, 512)), labels=generator.integers(0, 3, 10_000))
    yield "arrays/model.npz", arrays.getvalue()
    for name in AWKWARD_NAMES:
        yield name, f"This is {name}\n".encode()
    yield LARGE_FILE, choose.randbytes(LARGE_SIZE)


def _picture(choose: random.Random) -> bytes:
    """A PNG of 24 × 24 to 96 × 96 noisy pixels: 2 to 30 kB."""
    width, height = choose.randint(24, 96), choose.randint(24, 96)
    lines = b"".join(b"\0" + choose.randbytes(width * 3) for _ in range(height))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 1)) + chunk(b"IEND", b"")
