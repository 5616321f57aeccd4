"""The files that are read, and how: each sample writes its file with the real library, and reads it as people do.

`python -m bench.traces.samples NAME FOLDER` reads one; nothing is measured here. A sample without its library is passed over.
"""

import gzip
import io
import mmap
import os
import random
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MiB = 1 << 20
Reader = Callable[[Path], int]
"""Reads the file as a program would, and gives the bytes that it had use for."""


@dataclass(frozen=True, slots=True)
class Sample:
    file: str
    by: str
    read: Reader


SAMPLES: dict[str, Sample] = {}
WRITERS: dict[str, Callable[[Path], None]] = {}


def file(name: str) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    def register(write: Callable[[Path], None]) -> Callable[[Path], None]:
        WRITERS[name] = write
        return write

    return register


def sample(file: str, by: str) -> Callable[[Reader], Reader]:
    def register(read: Reader) -> Reader:
        SAMPLES[read.__name__.replace("_", "-")] = Sample(file, by, read)
        return read

    return register


def noise(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(size)


# Zip and what is one: npz, torch --------------------------------------------------------------------------------------


@file("images.zip")
def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(400):
            archive.writestr(f"{number:04}.jpg", noise(60_000 + 200 * number, number))


@sample("images.zip", "zipfile")
def zip_all(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return sum(len(archive.read(name)) for name in archive.namelist())


@sample("images.zip", "zipfile")
def zip_shuffled(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        some = random.Random(1).sample(archive.namelist(), 60)
        return sum(len(archive.read(name)) for name in some)


@file("arrays.npz")
def _npz(path: Path) -> None:
    chance = np.random.default_rng(0)
    np.savez(path, **{f"array{number}": chance.random((1000, 1000)) for number in range(6)})


@sample("arrays.npz", "numpy.load")
def npz_all(path: Path) -> int:
    with np.load(path) as arrays:
        return sum(arrays[name].nbytes for name in arrays.files)


@sample("arrays.npz", "numpy.load")
def npz_one(path: Path) -> int:
    with np.load(path) as arrays:
        return int(arrays["array3"].nbytes)


STORAGES = [4096, 3 * MiB, 12_288, 3 * MiB, 48 * 1024, 9 * MiB, 12_288, 9 * MiB, 4096, 6 * MiB, 512, 1 * MiB]


@file("model.pt")
def _torch(path: Path) -> None:
    """As torch.save lays it out: a stored zip, the pickle first, each storage a record that begins on 64 bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [("data.pkl", noise(3000))] + [
            (f"data/{number}", noise(size, number)) for number, size in enumerate(STORAGES * 2)
        ]:
            info = zipfile.ZipInfo(f"model/{name}")
            assert archive.fp is not None
            pad = -(archive.fp.tell() + 30 + len(info.filename) + 4) % 64
            info.extra = struct.pack("<2sH", b"FB", pad) + b"Z" * pad
            archive.writestr(info, data)


@sample("model.pt", "as torch.load")
def torch_load(path: Path) -> int:
    """The reader of torch seeks and reads as miniz does: the directory, then a record's header and its bytes, in order."""
    with zipfile.ZipFile(path) as archive:
        places = [(info.header_offset, info.file_size) for info in archive.infolist()]
    total = 0
    with open(path, "rb") as stream:
        for offset, size in places:
            stream.seek(offset)
            header = stream.read(30)
            name, extra = struct.unpack("<HH", header[26:30])
            stream.seek(offset + 30 + name + extra)
            total += len(stream.read(size))
    return total


@sample("model.pt", "as torch.load(mmap=True)")
def torch_mmap(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        places = [(info.header_offset + 30, info.file_size) for info in archive.infolist()]
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view:
        return sum(touched(view, offset, offset + size) for offset, size in places)


def touched(view: mmap.mmap, start: int, stop: int) -> int:
    """Each page of [start, stop) faulted in, in order."""
    return (stop - start) if sum(view[place] for place in range(start, stop, 4096)) >= 0 else 0


# Tables and tensors ---------------------------------------------------------------------------------------------------


@file("table.parquet")
def _parquet(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    chance = np.random.default_rng(0)
    table = pa.table({f"c{number}": chance.random(1_000_000) for number in range(8)})
    pq.write_table(table, path, row_group_size=125_000, compression="none", use_dictionary=False)


@sample("table.parquet", "pyarrow.parquet.read_table")
def parquet_all(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_table(path).nbytes)


@sample("table.parquet", "pyarrow.parquet.read_table(columns=2)")
def parquet_columns(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_table(path, columns=["c1", "c5"]).nbytes)


@sample("table.parquet", "pyarrow.parquet.ParquetFile.read_row_group")
def parquet_groups(path: Path) -> int:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as table:
        return sum(int(table.read_row_group(group).nbytes) for group in (6, 1, 4))


@sample("table.parquet", "pyarrow.parquet.read_metadata")
def parquet_metadata(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).serialized_size)


@sample("table.parquet", "pyarrow.parquet.read_table(memory_map=True)")
def parquet_mmap(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_table(path, columns=["c1", "c5"], memory_map=True).nbytes)


@file("cells.h5")
def _hdf5(path: Path) -> None:
    import h5py

    chance = np.random.default_rng(0)
    with h5py.File(path, "w") as store:
        store["flat"] = chance.random((2000, 1000))
        store.create_dataset("chunked", data=chance.random((2000, 1000)), chunks=(100, 100))


@sample("cells.h5", "h5py, a contiguous set whole")
def hdf5_flat(path: Path) -> int:
    import h5py

    with h5py.File(path) as store:
        return int(store["flat"][:].nbytes)


@sample("cells.h5", "h5py, random rows of a contiguous set")
def hdf5_rows(path: Path) -> int:
    import h5py

    chance = random.Random(1)
    with h5py.File(path) as store:
        return sum(int(store["flat"][chance.randrange(2000)].nbytes) for _ in range(100))


@sample("cells.h5", "h5py, columns of a chunked set")
def hdf5_chunks(path: Path) -> int:
    import h5py

    with h5py.File(path) as store:
        return int(store["chunked"][:, 300:500].nbytes)


@file("model.safetensors")
def _safetensors(path: Path) -> None:
    from safetensors.numpy import save_file

    chance = np.random.default_rng(0)
    shapes = [(1000, 500), (500,), (2000, 800), (800,), (1500, 1000), (64, 64)] * 3
    save_file({f"layer.{n:02}": chance.random(s, dtype=np.float32) for n, s in enumerate(shapes)}, path)


@sample("model.safetensors", "safetensors.safe_open, all")
def safetensors_all(path: Path) -> int:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as tensors:
        return sum(int(tensors.get_tensor(name).nbytes) for name in tensors.keys())  # noqa: SIM118 - no mapping


@sample("model.safetensors", "safetensors.safe_open, every third")
def safetensors_some(path: Path) -> int:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as tensors:
        return sum(int(tensors.get_tensor(name).nbytes) for name in sorted(tensors.keys())[2::3])


# Streams --------------------------------------------------------------------------------------------------------------


@file("text.gz")
def _gzip(path: Path) -> None:
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(noise(24 * MiB))


@sample("text.gz", "gzip")
def gzip_stream(path: Path) -> int:
    with gzip.open(path) as stream:
        while stream.read(MiB):
            pass
    return path.stat().st_size


@file("images.tar")
def _tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for number in range(400):
            info = tarfile.TarInfo(f"{number:04}.jpg")
            info.size = 60_000 + 200 * number
            archive.addfile(info, io.BytesIO(noise(info.size, number)))


@sample("images.tar", "tarfile, a stream")
def tar_stream(path: Path) -> int:
    with tarfile.open(path, "r|") as archive:
        return sum(len(found.read()) for member in archive if (found := archive.extractfile(member)))


@sample("images.tar", "tarfile, the names only")
def tar_names(path: Path) -> int:
    with tarfile.open(path) as archive:
        return 512 * len(archive.getnames())


@file("plain.bin")
def _plain(path: Path) -> None:
    path.write_bytes(noise(64 * MiB))


@sample("plain.bin", "read(1 MiB) to the end")
def sequential(path: Path) -> int:
    with open(path, "rb", buffering=0) as stream:
        return sum(len(part) for part in iter(lambda: stream.read(MiB), b""))


@sample("plain.bin", "read(64 KiB), 12 MiB from the midst")
def midst(path: Path) -> int:
    with open(path, "rb", buffering=0) as stream:
        stream.seek(21 * MiB + 5000)
        return sum(len(stream.read(64 << 10)) for _ in range(12 * 16))


def _preads(path: Path, places: Iterator[tuple[int, int]] | list[tuple[int, int]]) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return sum(len(os.pread(descriptor, size, offset)) for offset, size in places)
    finally:
        os.close(descriptor)


@sample("plain.bin", "pread(1 MiB) from the end to the start")
def backward(path: Path) -> int:
    return _preads(path, [(place * MiB, MiB) for place in reversed(range(8, 64))])


@sample("plain.bin", "pread(64 KiB) from the end to the start")
def backward_small(path: Path) -> int:
    return _preads(path, [(place << 16, 1 << 16) for place in reversed(range(512, 1024))])


@sample("plain.bin", "the first 64 KiB")
def head(path: Path) -> int:
    return _preads(path, [(0, 64 << 10)])


@sample("plain.bin", "the first 4 KiB")
def magic(path: Path) -> int:
    return _preads(path, [(0, 4 << 10)])


@sample("plain.bin", "sorted random pread(1 MiB)")
def sorted_random(path: Path) -> int:
    return _preads(path, [(place * MiB, MiB) for place in sorted(random.Random(1).sample(range(64), 16))])


@sample("plain.bin", "random pread(128 KiB)")
def random_128k(path: Path) -> int:
    return _preads(path, [(place << 17, 1 << 17) for place in random.Random(2).sample(range(512), 100)])


@sample("plain.bin", "random pread(4 KiB)")
def random_4k(path: Path) -> int:
    return _preads(path, [(place << 12, 1 << 12) for place in random.Random(3).sample(range(16384), 100)])


@sample("plain.bin", "every other 256 KiB")
def strided(path: Path) -> int:
    return _preads(path, [(place << 19, 1 << 18) for place in range(64)])


@sample("plain.bin", "four threads, each a quarter, one descriptor")
def four_streams(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY)

    def quarter(start: int) -> int:
        return sum(len(os.pread(descriptor, MiB, start + place * MiB)) for place in range(16))

    try:
        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(quarter, range(0, 64 * MiB, 16 * MiB)))
    finally:
        os.close(descriptor)


@sample("plain.bin", "numpy.memmap, in order")
def memmap_all(path: Path) -> int:
    return path.stat().st_size if float(np.memmap(path, np.uint8, "r").reshape(-1, 4096)[:, 0].sum()) else 0


@sample("plain.bin", "numpy.memmap, random rows of 8 KiB")
def memmap_random(path: Path) -> int:
    rows = np.memmap(path, np.uint8, "r").reshape(-1, 8192)
    return sum(rows[row].copy().nbytes for row in random.Random(4).sample(range(len(rows)), 60))


if __name__ == "__main__":
    name, folder = sys.argv[1:]
    there = Path(folder) / SAMPLES[name].file
    print(SAMPLES[name].read(there), flush=True)
