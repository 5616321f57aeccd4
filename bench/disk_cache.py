"""What a large disk cache costs: `python -m bench.disk_cache [--gib 50] [--files 1000000] [--directory DIR]`.

Forges caches of as many records as such a cache has: extents with real tables whose bytes are holes, so that the index sees what
it would see and the disk need not hold it. Prints the time until a content service is up (what a mount waits for), until the index
is read, its memory, the time of a look-up, of choosing who leaves, and of a first read beside the loading.
"""

import argparse
import os
import random
import shutil
import tempfile
import time
from pathlib import Path

import trio

from mountd.content.config import CacheConfig
from mountd.content.disk_tier import DiskTier
from mountd.content.extent_files import EXTENT
from mountd.content.extents import MAGIC, PAGE, Contents, Row, name_of
from mountd.rules.blocks import GRAIN, RANGE
from mountd.types import GiB, KiB, MiB, StoreIdentity, Version

BOX = StoreIdentity("blob", "https://account.example", "account", "container")
HEAD = 200


def forge(directory: Path, versions: list[Version], piece: int) -> int:
    """Extents that hold all of these versions in records of `piece` bytes, their bytes holes; gives the records."""
    extents = directory / "extents"
    extents.mkdir(parents=True, mode=0o700)
    directory.chmod(0o700)
    (directory / "format").write_text("mountd cache 2\n")
    number = records = 0
    contents, offset = Contents(), len(MAGIC)

    def finish() -> None:
        nonlocal number, contents, offset
        number += 1
        with open(extents / f"{number:08x}.extent", "wb") as file:
            file.write(MAGIC)
            file.seek(offset)
            file.write(contents.encoded(offset))
        contents, offset = Contents(), len(MAGIC)

    for version in versions:
        name = name_of(BOX, version)
        for start in range(0, version.size, piece):
            length = min(piece, version.size - start)
            if offset + HEAD + length + contents.size + PAGE > EXTENT:
                finish()
            sums = tuple(range(-(-length // GRAIN)))
            contents.add(Row(name.key, name.version, start // GRAIN, offset, offset + HEAD, length, sums))
            offset += HEAD + length
            records += 1
    finish()
    return records


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def look(directory: Path, versions: list[Version]) -> dict[str, float]:
    """Begins a disk tier on a cache, and times it."""
    before, began, used = resident(), time.perf_counter(), time.process_time()
    worst = 0.0
    async with trio.open_nursery() as nursery:
        tier = DiskTier(CacheConfig(disk=100 * GiB, disk_free=0), directory)
        tier.start(nursery)
        ready = time.perf_counter() - began
        while not tier.loaded:
            slept = time.perf_counter()
            await trio.sleep(0.001)
            worst = max(worst, time.perf_counter() - slept - 0.001)
        loaded, cpu = time.perf_counter() - began, time.process_time() - used
        chosen = random.Random(1).choices(versions, k=20_000)
        began = time.perf_counter()
        found = sum(
            bool(tier.index.find(name_of(BOX, version), version.size, 0, min(GRAIN, version.size)))
            for version in chosen
        )
        lookup = (time.perf_counter() - began) / len(chosen)
        assert found == len(chosen), f"{found} of {len(chosen)} are found"
        began = time.perf_counter()
        for _ in range(200):
            tier._files._choose(-1)
        choosing = (time.perf_counter() - began) / 200
        figures = {
            "ready_ms": 1e3 * ready,
            "index_read_s": loaded,
            "index_cpu_s": cpu,
            "loop_held_ms": 1e3 * worst,
            "grains": tier.index.count,
            "bytes_a_grain": tier.index.bytes / max(tier.index.count, 1),
            "resident_mb": (resident() - before) / 1e6,
            "lookup_us": 1e6 * lookup,
            "choose_us": 1e6 * choosing,
        }
        await tier.aclose()
        nursery.cancel_scope.cancel()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=int, default=50)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument(
        "--directory", type=Path, default=None, help="where the forged caches lie (default: the temporary folder)"
    )
    options = parser.parse_args()
    large = [Version(f"large/{number:04d}", "0x8DC", GiB, 0) for number in range(options.gib)]
    small = [Version(f"train/{n // 1000:04d}/{n:07d}.jpg", "0x8DC", 50 * KiB, 0) for n in range(options.files)]
    few = large[:1]
    for label, versions, piece in (
        ("1 GiB", few, RANGE),
        (f"{options.gib} GiB", large, RANGE),
        (f"{options.files} files", small, MiB),
    ):
        folder = Path(tempfile.mkdtemp(prefix="mountd-forged-", dir=options.directory))
        try:
            records = forge(folder / "cache", versions, piece)
            figures = trio.run(look, folder / "cache", versions)
        finally:
            shutil.rmtree(folder)
        print(
            f"{label}: {records} records; " + ", ".join(f"{key} {value:.3g}" for key, value in figures.items()),
            flush=True,
        )


if __name__ == "__main__":
    main()
