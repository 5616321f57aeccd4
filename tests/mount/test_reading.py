"""Programs that read, on a real mount of the real tree: what they see is what the store holds."""

import errno
import hashlib
import json
import mmap
import os
import random
import shutil
import subprocess
import sys
import tarfile
import time

import pytest

from tests.fixtures.mounts import LISTED
from tests.fixtures.required import unavailable

SEED = random.Random(3)
LARGE = SEED.randbytes(9 << 20)
FILES = {
    "large.bin": LARGE,
    "empty": b"",
    "notes/a.txt": b"hello\n" * 1000,
    "notes/link": b"a.txt",
    "notes/ü ber%20#?+.txt": "ü".encode(),
    **{f"images/{number // 40:02d}/{number:04d}.jpg": SEED.randbytes(2000) for number in range(200)},
}


@pytest.fixture(scope="module")
def tree(mounting):
    return mounting(FILES).path


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, **options).stdout


def test_the_mount_table_names_its_type_so_that_scanners_can_skip_it(tree):
    """Issue 3, section 2: the filesystem type is fuse.mountd."""
    assert run("findmnt", "-n", "-o", "FSTYPE,SOURCE", "-M", str(tree)).split() == ["fuse.mountd", "mountd"]


def test_find_and_ls_show_every_file(tree):
    found = run("find", ".", "(", "-type", "f", "-o", "-type", "l", ")", cwd=tree).splitlines()
    assert sorted(path.removeprefix("./") for path in found) == sorted(FILES)
    assert "a.txt" in run("ls", "-la", str(tree / "notes"))


def test_cp_is_byte_exact(tree, tmp_path):
    run("cp", "-r", str(tree), str(tmp_path / "copy"))
    for name, content in FILES.items():
        copied = tmp_path / "copy" / name
        if name.endswith("link"):
            assert os.readlink(copied) == content.decode()
        else:
            assert copied.read_bytes() == content


def test_tar_holds_every_byte(tree, tmp_path):
    run("tar", "cf", str(tmp_path / "all.tar"), ".", cwd=tree)
    with tarfile.open(tmp_path / "all.tar") as archive:
        members = {member.name.removeprefix("./"): member for member in archive if not member.isdir()}
        assert set(members) == set(FILES)
        taken = archive.extractfile(members["large.bin"])
        assert taken is not None
        assert taken.read() == LARGE


def test_sha256sum(tree):
    assert run("sha256sum", str(tree / "large.bin")).split()[0] == hashlib.sha256(LARGE).hexdigest()


def test_mmap_in_order_and_at_random(tree):
    with open(tree / "large.bin", "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
        for _ in range(50):
            start = SEED.randrange(len(LARGE) - 5000)
            assert view[start : start + 5000] == LARGE[start : start + 5000]
        assert view[:] == LARGE


def test_direct_and_ranged_reads(tree):
    with open(tree / "large.bin", "rb", buffering=0) as file:
        for offset, size in [(0, 1), (4095, 2), (len(LARGE) - 10, 100), (len(LARGE), 10), (3 << 20, 1 << 20)]:
            assert os.pread(file.fileno(), size, offset) == LARGE[offset : offset + size]
    descriptor = os.open(tree / "large.bin", os.O_RDONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, 8192) as page:
            assert os.preadv(descriptor, [page], 4096) == 8192
            assert page[:] == LARGE[4096 : 4096 + 8192]
    finally:
        os.close(descriptor)


def test_git_finds_nothing_to_do(tree, tmp_path, mounting):
    """SEMANTICS 6: sizes, times and inode numbers hold still, so a repository on the mount stays clean."""
    if shutil.which("git") is None:
        unavailable("git is not installed")
    origin = tmp_path / "origin"
    origin.mkdir()
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "safe.directory=*"]
    (origin / "one").write_text("one\n")
    (origin / "two").write_text("two\n")
    run(*git, "init", "-q", ".", cwd=origin)
    run(*git, "add", ".", cwd=origin)
    run(*git, "commit", "-q", "-m", "both", cwd=origin)
    files = {str(path.relative_to(origin)): path.read_bytes() for path in origin.rglob("*") if path.is_file()}
    mounted = mounting(files | {".git/refs/tags/.keep": b""})
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}
    assert run(*git, "status", "--porcelain", cwd=mounted.path, env=environment) == ""
    assert run(*git, "log", "--format=%s", cwd=mounted.path, env=environment) == "both\n"


def test_eight_processes_read_at_once(tree):
    reader = "import hashlib,os,sys\n" + (
        "digest = hashlib.sha256()\n"
        "for folder, names, files in sorted(os.walk(sys.argv[1])):\n"
        "    for name in sorted(files):\n"
        "        digest.update(open(os.path.join(folder, name), 'rb').read())\n"
        "print(digest.hexdigest())\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", reader, str(tree)], stdout=subprocess.PIPE, text=True) for _ in range(8)
    ]
    digests = {process.communicate(timeout=60)[0] for process in running}
    assert {process.returncode for process in running} == {0}
    assert len(digests) == 1


def test_extended_attributes(tree):
    names = os.listxattr(tree / "large.bin")
    assert any(name.endswith("etag") for name in names)
    for name in names:
        assert name.startswith("user.")
        os.getxattr(tree / "large.bin", name)
    others = {
        "user.none": errno.ENODATA,
        "security.capability": errno.EOPNOTSUPP,
        "system.posix_acl_access": errno.EOPNOTSUPP,
    }
    for name, code in others.items():
        with pytest.raises(OSError) as refused:
            os.getxattr(tree / "large.bin", name)
        assert refused.value.errno == code
    # The kernel never stopped asking: ENOSYS once would have ended attributes for the mount.
    assert os.listxattr(tree / "large.bin") == names


def test_readlink_statfs_access_and_absence(tree):
    assert os.readlink(tree / "notes/link") == "a.txt"
    assert (tree / "notes/link").read_bytes() == FILES["notes/a.txt"]
    capacity = os.statvfs(tree)
    assert capacity.f_namemax == 255
    assert capacity.f_bavail > 0
    assert os.access(tree / "empty", os.R_OK)
    with pytest.raises(FileNotFoundError):
        os.stat(tree / "no such name")
    with pytest.raises(NotADirectoryError):
        os.stat(tree / "empty" / "below")
    with pytest.raises(IsADirectoryError):
        open(tree / "notes").close()


def test_fsync_and_flush_of_a_clean_file_succeed(tree):
    descriptor = os.open(tree / "empty", os.O_RDONLY)
    os.fsync(descriptor)
    duplicate = os.dup(descriptor)
    os.close(duplicate)
    os.close(descriptor)
    folder = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)


def stats(path):
    """What a program compares: inode numbers, sizes and times of everything below."""
    seen = {}
    for folder, _, files in os.walk(path):
        for name in files:
            status = os.lstat(os.path.join(folder, name))
            seen[os.path.relpath(os.path.join(folder, name), path)] = (
                status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode,
            )  # fmt: skip
    return seen


def test_inode_numbers_and_times_are_the_same_after_a_remount(mounting):
    """SEMANTICS 6."""
    files = {name: content[:100] for name, content in FILES.items()}
    first = mounting(files)
    before = stats(first.path)
    assert first.stop() == 0
    assert not first.is_mounted()
    assert stats(mounting(files, at=first.path).path) == before


@pytest.mark.slow
def test_a_folder_of_100_000_entries_is_listed_whole_and_fast(mounting):
    mounted = mounting(tree=LISTED, arguments={"count": 100_000})
    start = time.perf_counter()
    names = os.listdir(mounted.path / "folder")
    seconds = time.perf_counter() - start
    assert len(names) == len(set(names)) == 100_000
    assert min(names) == "000000"
    assert max(names) == "099999"
    # 0.5 s on the machine this was written on; the bound only catches what grows with the square.
    assert seconds < 15
    print(json.dumps({"listed": seconds}))
