"""The pytest fixture `ftp_capture`: records loopback while a test runs, and hands the test a report of it.

    def test_upload(ftp_capture):
        my_client.upload("a.txt")
        assert ftp_capture.report().transfers[0].completeness == "complete"

Capturing needs root, or a program that `setcap cap_net_raw+ep` was called for; without the right to do so the test is skipped.
"""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator

import pytest

from . import Error, Report, program, read_report


class Capture:
    """A running capture; `report()` ends it."""

    def __init__(self, interface: str = "lo") -> None:
        self._events = tempfile.TemporaryFile("w+", encoding="utf-8")
        self._messages = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        command = [program(), "live", "-i", interface, "--format", "ndjson", "--events", "summary"]
        self._process = subprocess.Popen(command, stdout=self._events, stderr=self._messages)
        self._report: Report | None = None
        deadline = time.monotonic() + 10
        # The event of the capture comes once the interface is open: no packet from then on is missed.
        while not self._read(self._events):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise Error(self._process.wait(), self._read(self._messages).strip())
            time.sleep(0.02)

    @staticmethod
    def _read(file: tempfile._TemporaryFileWrapper[str]) -> str:
        file.seek(0)
        return file.read()

    def report(self, settle: float = 0.5) -> Report:
        """Ends the capture and returns its report. `settle` are seconds for the last packets to arrive."""
        if self._report is None:
            time.sleep(settle)
            self._process.send_signal(signal.SIGINT)
            code = self._process.wait(timeout=30)
            if code != 0:
                raise Error(code, self._read(self._messages).strip())
            self._report = read_report(json.loads(line) for line in self._read(self._events).splitlines())
        return self._report

    def close(self) -> None:
        """Ends the program, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def ftp_capture() -> Iterator[Capture]:
    """Records FTP on loopback during a test."""
    try:
        capture = Capture()
    except Error as error:
        # 2 is the exit code for a capture that is not permitted.
        if error.code == 2:
            pytest.skip(f"ftp_capture: {error}")
        raise
    yield capture
    capture.close()
