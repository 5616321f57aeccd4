"""The unit file, read by systemd itself."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.fixtures.required import unavailable

UNIT = Path(__file__).parents[2] / "systemd" / "mountd.service"


def test_unit_verifies(tmp_path):
    if not shutil.which("systemd-analyze"):
        unavailable("systemd-analyze is missing: apt-get install systemd")
    # The path of the command is the installation's; everything else is verified as it stands.
    command = Path(sys.executable).with_name("mountd")
    unit = tmp_path / "mountd.service"
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/mountd", str(command)))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    about_us = [line for line in checked.stderr.splitlines() if "mountd" in line]
    assert checked.returncode == 0, checked.stderr
    assert not about_us


def test_unit_promises_what_the_documents_say():
    text = UNIT.read_text()
    for line in ("Type=notify", "Restart=on-failure", "StateDirectoryMode=0700", "NoNewPrivileges=yes", "UMask=0077"):
        assert line in text
    assert "LoadCredential=" in text
