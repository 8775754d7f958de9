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
from pathlib import Path

import pytest

from . import Error, Report, program, read_report


class Capture:
    """A running capture; `report()` ends it."""

    def __init__(self, interface: str = "lo") -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="ftpscope-")
        self._events = Path(self._directory.name, "events.ndjson")
        self._messages = Path(self._directory.name, "messages")
        command = [program(), "live", "-i", interface, "--format", "ndjson"]
        with self._events.open("wb") as events, self._messages.open("wb") as messages:
            self._process = subprocess.Popen(command, stdout=events, stderr=messages)
        self._report: Report | None = None
        deadline = time.monotonic() + 10
        # The event of the capture comes once the interface is open: no packet from then on is missed.
        while self._events.stat().st_size == 0:
            code = self._process.poll()
            if code is not None or time.monotonic() > deadline:
                message = self._said()
                self.close()
                raise Error(-1 if code is None else code, message or "the capture did not begin within 10 seconds")
            time.sleep(0.02)

    def _said(self) -> str:
        return self._messages.read_text(encoding="utf-8", errors="replace").strip()

    def report(self, settle: float = 0.5) -> Report:
        """Ends the capture and returns its report. `settle` are seconds for the last packets to arrive."""
        if self._report is None:
            time.sleep(settle)
            self._process.send_signal(signal.SIGINT)
            code = self._process.wait(timeout=30)
            if code != 0:
                raise Error(code, self._said())
            with self._events.open(encoding="utf-8") as lines:
                self._report = read_report(json.loads(line) for line in lines)
        return self._report

    def close(self) -> None:
        """Ends the program, if it still runs, and removes what it wrote."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._directory.cleanup()


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
