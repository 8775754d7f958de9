"""Spark data source for FTP sessions in packet captures (Apache Spark 4.0 or newer, with pyarrow).

    spark.dataSource.register(FtpscopeDataSource)
    df = spark.read.format("ftpscope").option("table", "transfers").load("/data/captures")

Each partition is a series of captures, read by one run of the program, whose rows arrive as Arrow batches.

Options:
    path       folder, file or glob that every worker sees under the same name
    table      sessions, transfers (default), commands, findings, steps, entries, captures; errors with onError=row
    binary     program on the workers (default: ftpscope, from PATH or spark.addFile)
    partition  series (default) or file
    gap        most time between two files of a series (default: 60s)
    arguments  further arguments of `ftpscope analyze`, a JSON list
    onError    fail (default) or row: a capture that cannot be read fails the job, or becomes a row of errors
    pushdown   true: filters on times leave out whole series (Spark 4.1 or newer, which refuses it unless
               spark.sql.python.filterPushdown.enabled is true)
"""

import datetime
import glob
import json
import os
import shutil
import stat
import subprocess
import tempfile

from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition

UNREADABLE = 3
ERROR_SCHEMA = "path string, exit int, message string"
TIMES = {"start", "end", "time", "first_packet", "last_packet"}


class FtpscopeDataSource(DataSource):
    """The format `ftpscope`."""

    @classmethod
    def name(cls):
        return "ftpscope"

    def schema(self):
        import pyarrow.parquet
        from pyspark.sql.pandas.types import from_arrow_schema

        if _option(self.options, "table", "transfers") == "errors":
            return ERROR_SCHEMA
        # An empty capture has the schema of every other one.
        with tempfile.TemporaryDirectory(prefix="ftpscope-") as folder:
            capture = os.path.join(folder, "empty.pcap")
            with open(capture, "wb") as file:
                file.write(EMPTY_CAPTURE)
            table, _ = _analyze(self.options, [capture], folder)
            return from_arrow_schema(pyarrow.parquet.read_schema(table))

    def reader(self, schema):
        # Spark fails where a reader takes filters that its configuration holds back, and shows it to no reader.
        if _option(self.options, "pushdown", "false").lower() == "true":
            return _FilteringReader(self.options)
        return _Reader(self.options)


class _Captures(InputPartition):
    """The captures of one run, and the version of the program that the driver has."""

    def __init__(self, paths, version):
        self.paths = paths
        self.version = version


class _Reader(DataSourceReader):
    def __init__(self, options):
        self.options = options
        self.bounds = []

    def partitions(self):
        path = _option(self.options, "path", None)
        if path is None:
            raise ValueError("ftpscope: name a folder or a glob: .load('/data/captures')")
        paths = sorted(glob.glob(path)) if glob.has_magic(path) else [path]
        if not paths or not all(os.path.exists(one) for one in paths):
            raise ValueError(f"ftpscope: nothing is at {path}")
        binary = _binary(self.options)
        version = _version(binary)
        gap = _option(self.options, "gap", "60s")
        by_file = _option(self.options, "partition", "series") == "file"
        # The series of a folder with a file that is no capture are good all the same.
        command = [binary, "series", "-q", "--gap", gap, "--", *paths]
        lines = _run(command, accepted=(0, UNREADABLE)).stdout
        series = [json.loads(line) for line in lines.splitlines()]
        known = {path for one in series for path in one["paths"]}
        wanted = [one["paths"] for one in series if self._may_have_rows(one)]
        if by_file:
            wanted = [[path] for paths in wanted for path in paths]
        # Captures that cannot be read are partitions too: they fail, or become rows.
        others = [[path] for one in paths for path in _files(one) if path not in known]
        # Without any, Spark asks for one partition that is None.
        return [_Captures(one, version) for one in [*wanted, *others]] or [_Captures([], version)]

    def _may_have_rows(self, series):
        first, last = series.get("first_packet"), series.get("last_packet")
        if not first or not last:
            return True
        for kind, value in self.bounds:
            # Both are UTC in digits of fixed places, and compare as text to the second.
            if kind.startswith("GreaterThan") and last[:19] < value[:19]:
                return False
            if kind.startswith("LessThan") and first[:19] > value[:19]:
                return False
        return True

    def read(self, partition):
        import pyarrow
        import pyarrow.parquet

        if not partition.paths:
            return
        binary = _binary(self.options)
        found = _version(binary)
        if found != partition.version:
            raise RuntimeError(
                f"ftpscope: this worker has {found}, the driver {partition.version}; install the same on all"
            )
        wants_errors = _option(self.options, "table", "transfers") == "errors"
        as_row = _option(self.options, "onError", "fail") == "row"
        with tempfile.TemporaryDirectory(prefix="ftpscope-") as folder:
            table, failure = _analyze(self.options, partition.paths, folder)
            if failure is not None and not as_row:
                raise RuntimeError(failure.stderr.strip())
            if wants_errors:
                if failure is not None:
                    message = failure.stderr.strip()
                    named = [path for path in partition.paths if path in message] or partition.paths
                    columns = [
                        pyarrow.array(named, pyarrow.string()),
                        pyarrow.array([failure.returncode] * len(named), pyarrow.int32()),
                        pyarrow.array([message] * len(named), pyarrow.string()),
                    ]
                    yield pyarrow.RecordBatch.from_arrays(columns, ["path", "exit", "message"])
            elif os.path.exists(table):
                yield from pyarrow.parquet.ParquetFile(table).iter_batches()


class _FilteringReader(_Reader):
    def pushFilters(self, filters):
        """Keeps bounds on times, to leave out series beyond them. The engine filters the rows itself."""
        for one in filters:
            kind = type(one).__name__
            column = getattr(one, "attribute", ())
            value = getattr(one, "value", None)
            if len(column) == 1 and column[0] in TIMES and isinstance(value, datetime.datetime):
                self.bounds.append((kind, value.astimezone(datetime.timezone.utc).isoformat()))
            yield one


def _option(options, name, default):
    # Spark hands names over in lower case.
    lower = {key.lower(): value for key, value in options.items()}
    return lower.get(name.lower(), default)


def _files(path):
    """The files in and below a folder, or the file itself."""
    if not os.path.isdir(path):
        return [path]
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)


def _binary(options):
    """The program: a path, a name in PATH, or a file that spark.addFile has brought."""
    name = _option(options, "binary", "ftpscope")
    if os.sep in name or shutil.which(name):
        return name
    try:
        from pyspark import SparkFiles

        added = SparkFiles.get(name)
        if os.path.exists(added):
            os.chmod(added, os.stat(added).st_mode | stat.S_IXUSR)
            return added
    except Exception:  # Without a context nothing was added: PATH decides, and its failure names the program.
        pass
    return name


def _version(binary):
    return _run([binary, "--version"], accepted=(0,)).stdout.strip()


def _analyze(options, paths, folder):
    """Runs the program; returns the path of the table, and the run if a capture could not be read."""
    table = _option(options, "table", "transfers")
    wanted = "captures" if table == "errors" else table
    arguments = json.loads(_option(options, "arguments", "[]"))
    out = os.path.join(folder, "out")
    command = [_binary(options), "analyze", "-q", "--format", "parquet", "--tables", wanted, "-o", out]
    run = _run([*command, *arguments, "--", *paths], accepted=(0, 1, UNREADABLE, 4))
    return os.path.join(out, wanted + ".parquet"), run if run.returncode == UNREADABLE else None


def _run(command, accepted):
    try:
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as cause:
        raise RuntimeError(
            f"ftpscope: cannot run {command[0]} on this machine ({cause.strerror}); "
            "install it there, or name it with .option('binary', …)"
        ) from cause
    if run.returncode not in accepted:
        raise RuntimeError(f"ftpscope: exit {run.returncode}: {run.stderr.strip()}")
    return run


# The header of a pcap file of Ethernet, without a packet.
EMPTY_CAPTURE = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
