"""Where a mount may go, said in sentences; and the kernel's table."""

import os

import pytest

from mountd.errors import MountRefused
from mountd.fuse.mountinfo import Mount, mount_at, parse
from mountd.fuse.mountpoint import check_host, located, prepare, unmount_and_wait

TABLE = (
    "22 28 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
    "31 28 0:52 / /mnt/with\\040blank rw shared:9 master:2 - fuse.mountd my\\040data rw,user_id=0\n"
    "32 31 0:53 / /mnt/with\\040blank rw - fuse.mountd mountd rw\n"
)


def test_the_table_is_parsed_with_blanks_and_optional_fields():
    assert list(parse(TABLE)) == [
        Mount("0:21", "/sys", "sysfs", "sysfs"),
        Mount("0:52", "/mnt/with blank", "fuse.mountd", "my data"),
        Mount("0:53", "/mnt/with blank", "fuse.mountd", "mountd"),
    ]


def test_of_several_mounts_at_one_place_the_one_on_top_counts(monkeypatch, tmp_path):
    (tmp_path / "table").write_text(TABLE)
    monkeypatch.setattr("mountd.fuse.mountinfo.MOUNTINFO", str(tmp_path / "table"))
    mount = mount_at("/mnt/with blank")
    assert mount is not None
    assert (mount.device, mount.connection) == ("0:53", 53)
    assert mount_at("/mnt") is None


def test_an_empty_folder_is_accepted_by_its_real_path(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    assert prepare(str(tmp_path / "alias")) == str(tmp_path / "real")
    assert located(str(tmp_path / "alias" / ".." / "real")) == str(tmp_path / "real")


def test_refusals_say_why_and_what_to_do(tmp_path):
    with pytest.raises(MountRefused, match=r"does not exist\. Create it: mkdir"):
        prepare(str(tmp_path / "missing"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(MountRefused, match="is not a directory"):
        prepare(str(tmp_path / "file"))
    with pytest.raises(MountRefused, match="is not empty"):
        prepare(str(tmp_path))
    with pytest.raises(MountRefused, match="is not a directory"):
        prepare(str(tmp_path / "file" / "below"))
    with pytest.raises(MountRefused, match="Nothing of mountd is mounted"):
        unmount_and_wait(str(tmp_path), 1)


def test_a_host_without_fuse_is_told_so(monkeypatch):
    monkeypatch.setattr(os.path, "exists", lambda path: path != "/dev/fuse")
    with pytest.raises(MountRefused, match="/dev/fuse is missing"):
        check_host(allow_other=False)


def test_an_ordinary_user_needs_fusermount3_and_leave_for_allow_other(monkeypatch):
    monkeypatch.setattr(os.path, "exists", lambda path: True)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(MountRefused, match="may not open /dev/fuse"):
        check_host(allow_other=False)
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(MountRefused, match="fusermount3 is missing"):
        check_host(allow_other=False)
    monkeypatch.setattr("shutil.which", lambda name: "/bin/" + name)
    check_host(allow_other=False)
    monkeypatch.setattr("mountd.fuse.mountpoint._users_may_allow_other", lambda: False)
    with pytest.raises(MountRefused, match="user_allow_other"):
        check_host(allow_other=True)
