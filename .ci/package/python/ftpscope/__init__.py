"""Reads packet captures with the program ftpscope, and returns its report as values.

    import ftpscope

    report = ftpscope.analyze("run.pcap")
    assert report.transfers[0].completeness == "complete"

Every value keeps the JSON object it was made from in `raw`; `ftpscope schema` describes it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    import pandas
    import pyarrow

__all__ = ["Error", "Finding", "Report", "Session", "Transfer", "analyze", "events", "program"]

StrPath = Union[str, "os.PathLike[str]"]


class Error(RuntimeError):
    """A failure of the program: its exit code and its messages."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message or f"ftpscope ended with exit code {code}")
        self.code = code


@dataclass(frozen=True)
class Finding:
    """A problem that the program found, with advice."""

    id: str
    severity: str
    title: str
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Transfer:
    """A file or a listing that was moved, or was meant to be."""

    session: int
    id: int
    verb: str
    name: str | None
    path: str | None
    direction: str
    bytes: int
    completeness: str
    sha256: str | None
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Session:
    """An FTP session: a control connection and what belongs to it."""

    id: int
    client: str
    server: str
    user: str | None
    start: datetime
    duration: float
    status: str
    verdict: str
    transfers: tuple[Transfer, ...]
    findings: tuple[Finding, ...]
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Report:
    """Everything that was read: sessions, warnings and totals."""

    sessions: tuple[Session, ...]
    warnings: tuple[str, ...]
    totals: Mapping[str, Any] = field(repr=False)

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        """All transfers, in the order of their sessions."""
        return tuple(transfer for session in self.sessions for transfer in session.transfers)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of their sessions."""
        return tuple(finding for session in self.sessions for finding in session.findings)

    def to_arrow(self) -> pyarrow.Table:
        """Returns the transfers as a table of pyarrow, which must be installed."""
        import pyarrow

        names = [name for name in Transfer.__dataclass_fields__ if name != "raw"]
        types = {"session": pyarrow.uint64(), "id": pyarrow.uint64(), "bytes": pyarrow.uint64()}
        schema = pyarrow.schema([(name, types.get(name, pyarrow.string())) for name in names])
        columns = {name: [getattr(transfer, name) for transfer in self.transfers] for name in names}
        return pyarrow.table(columns, schema=schema)

    def to_pandas(self) -> pandas.DataFrame:
        """Returns the transfers as a data frame; pyarrow and pandas must be installed."""
        return self.to_arrow().to_pandas()


def program() -> str:
    """Returns the path of the program: that of this installation, else the first in PATH."""
    own = os.path.join(sysconfig.get_path("scripts"), "ftpscope")
    found = own if os.access(own, os.X_OK) else shutil.which("ftpscope")
    if found is None:
        raise FileNotFoundError("the program ftpscope is neither installed with this module nor in PATH")
    return found


def events(*captures: StrPath, options: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Yields each event of captures as it is read: the objects of `analyze --format ndjson`.

    `options` are further options of `ftpscope analyze`, such as `["--where", 'login.user == "mira"']`. Raises `Error` after the
    last event if the program failed.
    """
    command = [program(), "analyze", "--format", "ndjson", *options, "--", *(os.fspath(path) for path in captures)]
    # Messages go to a file: a pipe that nobody reads would stop the program.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as messages:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages, encoding="utf-8") as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    yield json.loads(line)
            finally:
                # Without effect on a process that has ended: this is for iterations that are left early.
                if process.stdout is not None:
                    process.stdout.close()
            code = process.wait()
        # 1 and 4 are answers to options such as --fail-on.
        if code not in (0, 1, 4):
            messages.seek(0)
            raise Error(code, messages.read().strip())


def analyze(*captures: StrPath, options: Sequence[str] = ()) -> Report:
    """Reads captures and returns what happened in them; `options` are those of `events`."""
    return read_report(events(*captures, options=["--events", "summary", *options]))


def read_report(lines: Iterator[dict[str, Any]]) -> Report:
    """Builds a report from events, such as those of `ftpscope live --format ndjson`."""
    sessions: list[Session] = []
    warnings: list[str] = []
    totals: Mapping[str, Any] = {}
    for line in lines:
        if line["type"] == "session_end":
            sessions.append(_session(line["report"]))
        elif line["type"] == "warning":
            warnings.append(line["warning"]["message"])
        elif line["type"] == "totals":
            totals = line["totals"]
    return Report(tuple(sessions), tuple(warnings), totals)


def _session(raw: Mapping[str, Any]) -> Session:
    transfers = (_transfer(raw["id"], transfer) for transfer in raw["transfers"])
    findings = (Finding(found["id"], found["severity"], found["title"], found) for found in raw["findings"])
    return Session(
        id=raw["id"],
        client=_address(raw["client"]),
        server=_address(raw["server"]),
        user=raw["login"]["user"],
        start=_time(raw["start"]),
        duration=raw["duration"],
        status=raw["verdict"]["status"],
        verdict=raw["verdict"]["text"],
        transfers=tuple(transfers),
        findings=tuple(findings),
        raw=raw,
    )


def _transfer(session: int, raw: Mapping[str, Any]) -> Transfer:
    return Transfer(
        session=session,
        id=raw["id"],
        verb=raw["verb"],
        name=raw["name"],
        path=raw["path"],
        direction=raw["direction"],
        bytes=raw["bytes"],
        completeness=raw["completeness"],
        sha256=raw["sha256"],
        raw=raw,
    )


def _address(endpoint: Mapping[str, Any]) -> str:
    ip = f"[{endpoint['ip']}]" if ":" in endpoint["ip"] else endpoint["ip"]
    return f"{ip}:{endpoint['port']}"


def _time(text: str) -> datetime:
    # Python before 3.11 parses neither nine digits nor the letter Z.
    return datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00")
