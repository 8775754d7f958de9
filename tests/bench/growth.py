#!/usr/bin/env python3
"""Growth of work with the input: hostile shapes at n and 2n, and the ratio of their times.

    tests/bench/growth.py [--bin target/release/ftpscope] [--size 1.0] [--only WORD] [--runs table,json]

Each shape is a capture that repeats one construction until it has SIZE MB, and then twice that. Every command that reads it
runs once; the slowest one counts. A shape fails if 2n takes more than 6 s per 2 MB, if it takes more than 0.5 s and more than
2.9 times as long as n, or if the output is larger than 64 times the capture. Exit code 1 if a shape fails.
"""

import argparse
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time

CLIENT, SERVER = "10.0.0.2", "10.0.0.21"


class Capture:
    """Frames of a classic pcap file in memory."""

    def __init__(self):
        self.parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)]
        self.size = 24
        self.now = 1_760_000_000_000_000
        self.step = 200

    def frame(self, data):
        self.now += self.step
        self.parts.append(
            struct.pack("<IIII", self.now // 1_000_000, self.now % 1_000_000, len(data), len(data)) + data)
        self.size += 16 + len(data)

    def tcp(self, source, destination, seq, ack, flags, payload=b""):
        sip, sport = source
        dip, dport = destination
        segment = struct.pack(">HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 80, flags, 64240, 0, 0)
        ip = struct.pack(">BBHHHBBH4s4s", 69, 0, 40 + len(payload), 0, 0, 64, 6, 0, octets(sip), octets(dip))
        self.frame(b"\2FTP\0\1\2FTP\0\2\x08\0" + ip + segment + payload)

    def udp(self, source, destination, payload):
        sip, sport = source
        dip, dport = destination
        ip = struct.pack(">BBHHHBBH4s4s", 69, 0, 28 + len(payload), 0, 0, 64, 17, 0, octets(sip), octets(dip))
        self.frame(b"\2FTP\0\1\2FTP\0\2\x08\0" + ip + struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload)

    def write(self, path):
        with open(path, "wb") as file:
            file.write(b"".join(self.parts))


def octets(ip):
    return bytes(int(part) for part in ip.split("."))


class Connection:
    """One TCP connection; either side sends in segments of at most 1,400 bytes."""

    def __init__(self, capture, client, server, handshake=True):
        self.capture, self.ends = capture, (client, server)
        self.next = [1000, 2000]
        if handshake:
            capture.tcp(client, server, 999, 0, 2)
            capture.tcp(server, client, 1999, 1000, 18)
            capture.tcp(client, server, 1000, 2000, 16)

    def send(self, side, data, flags=24):
        if isinstance(data, str):
            data = data.encode("latin-1")
        for at in range(0, max(len(data), 1), 1400):
            part = data[at:at + 1400]
            self.capture.tcp(self.ends[side], self.ends[1 - side], self.next[side], self.next[1 - side], flags, part)
            self.next[side] += len(part)

    def skip(self, side, count):
        self.next[side] += count

    def close(self, side=1):
        for end in (side, 1 - side):
            self.send(end, b"", 17)
            self.next[end] += 1
        self.send(side, b"", 16)


class Session(Connection):
    """A control connection, greeted and logged in unless told otherwise."""

    def __init__(self, capture, port=40000, login=True, server_port=21, host=CLIENT):
        super().__init__(capture, (host, port), (SERVER, server_port))
        self.host = host
        self.send(1, "220 ready\r\n")
        if login:
            self.say("USER mira", "331 pw")
            self.say("PASS Kq7vXwZ9", "230 in")

    def say(self, command, reply=None):
        self.send(0, command + "\r\n")
        if reply is not None:
            self.send(1, reply + "\r\n")

    def passive(self, port):
        self.say("PASV", "227 Entering Passive Mode (10,0,0,21,%d,%d)" % divmod(port, 256))

    def transfer(self, verb, port, content, client_port=None, sender=1, final="226 done"):
        self.passive(port)
        self.send(0, verb + "\r\n")
        data = Connection(self.capture, (self.host, client_port or port), (SERVER, port))
        self.send(1, "150 here\r\n")
        data.send(sender, content, 16)
        data.close(sender)
        if final:
            self.send(1, final + "\r\n")


SHAPES = {}


def shape(function):
    SHAPES[function.__name__.replace("_", "-")] = function
    return function


def repeat(name, login=True, end=None, **options):
    """A shape of one session in which the decorated function is called with numbers until the capture is full."""
    def make(function):
        def build(capture, size):
            session = Session(capture, login=login, **options)
            number = 0
            while capture.size < size:
                function(session, number)
                number += 1
            if end:
                end(session)
        SHAPES[name] = build
        return function
    return make


def plain(name, command, reply, login=True):
    """A shape of one command and its reply, with the number in place of %d."""
    fill = lambda text, n: None if text is None else text.replace("%d", str(n))
    repeat(name, login)(lambda s, n: s.say(fill(command, n), fill(reply, n)))


# ---- Commands of one session.
plain("noop", "NOOP", "200 ok")
plain("noop-unanswered", "NOOP", None)
plain("cwd", "CWD dir%d", "250 ok")
plain("cwd-deep", "CWD d", "250 ok")
plain("cwd-refused", "CWD dir%d", "550 no")
plain("mkd", "MKD dir%d", "257 \"/dir%d\" created")
plain("pwd", "PWD", "257 \"/a%d\"")
plain("dele", "DELE f%d", "250 ok")
plain("rename", "RNFR f%d", "350 go")
plain("rename-to", "RNTO f%d", "250 ok")
plain("size", "SIZE f%d", "213 %d")
plain("size-one-name", "SIZE f", "213 %d")
plain("mdtm", "MDTM f%d", "213 20260101000000")
plain("size-refused", "SIZE f%d", "550 no")
plain("hash", "XCRC f%d", "250 DEADBEEF")
plain("mlst", "MLST f%d", "250-x\r\n type=file;size=%d; f%d\r\n250 end")
plain("stat-path", "STAT d%d", "213-x\r\n-rw-r--r-- 1 a b %d Jan 1 10:00 f%d\r\n213 end")
plain("stat", "STAT", "211 ok")
plain("type", "TYPE I", "200 ok")
plain("type-unanswered", "TYPE I", None)
plain("rest", "REST %d", "350 ok")
plain("allo", "ALLO %d", "202 ok")
plain("unknown", "XFOO%d a", "500 ?")
plain("unknown-one", "XFOO a", "500 ?")
plain("site", "SITE CHMOD 644 f%d", "200 ok")
plain("abor", "ABOR", "226 ok")
plain("rein", "REIN", "220 ok")
plain("auth", "AUTH TLS", "504 no")
plain("pasv", "PASV", "227 x (10,0,0,21,200,1)")
plain("epsv-refused", "EPSV", "500 no")
plain("port", "PORT 10,0,0,2,200,1", "200 ok")
plain("list-refused", "LIST", "425 no")
plain("retr-refused", "RETR f%d", "550 no")
plain("retr-unanswered", "RETR f%d", None)
plain("stor-150-only", "STOR f%d", "150 go")
plain("pass", "PASS Secret%d", "530 no", login=False)
plain("pass-331", "PASS Secret%d", "331 more", login=False)
plain("pass-unanswered", "PASS Secret%d", None, login=False)
plain("acct", "ACCT Secret%d", "332 more", login=False)
plain("user", "USER u%d", "331 pw", login=False)
plain("user-one", "USER u", "331 pw", login=False)
plain("user-530", "USER u", "530 no", login=False)
plain("adat", "ADAT abc%d", "335 x", login=False)
plain("site-pswd", "SITE PSWD a b%d", "200 ok")
plain("secret-repeated", "PASS Secret%d", "530 no: Secret0, Secret1, Secret%d", login=False)


@repeat("url-secrets")
def _(s, n):
    s.say("CWD ftp://u:password%d@h/x" % n, "550 no u:password%d@h" % n)


@repeat("unsolicited")
def _(s, n):
    s.send(1, "200 ok %d\r\n" % n)


@repeat("reply-lines", end=lambda s: s.send(1, "211 end\r\n"))
def _(s, n):
    s.send(1, "211-%d\r\n" % n if n == 0 else " line %d\r\n" % n)


@repeat("reply-without-code")
def _(s, n):
    s.send(1, "what %d\r\n" % n)


@repeat("one-line-of-the-client")
def _(s, n):
    s.send(0, "A" * 1400)


@repeat("line-byte-by-byte")
def _(s, n):
    s.send(0, "A")


@repeat("line-byte-by-byte-answered", login=False)
def _(s, n):
    s.send(0, "A")
    s.send(1, "200 ok\r\n")


@repeat("nul-bytes")
def _(s, n):
    s.send(0, "\0" * 1400)


@repeat("controls-in-pass", login=False)
def _(s, n):
    s.say("PASS " + "".join("ab%02dc\x01" % (i % 90) for i in range(200)), "530 no")


@repeat("telnet")
def _(s, n):
    s.send(0, b"\xff\xfb\x01" * 400)


@repeat("gaps-of-the-client")
def _(s, n):
    s.skip(0, 10)
    s.say("NOOP", "200 ok")


@repeat("gaps-of-the-server")
def _(s, n):
    s.skip(1, 10)
    s.say("NOOP", "200 ok")


@repeat("out-of-order")
def _(s, n):
    first, second = b"NOOP\r\n", b"SYST\r\n"
    s.capture.tcp(s.ends[0], s.ends[1], s.next[0] + 6, s.next[1], 24, second)
    s.capture.tcp(s.ends[0], s.ends[1], s.next[0], s.next[1], 24, first)
    s.next[0] += 12
    s.send(1, "200 ok\r\n215 x\r\n")


@shape
def held_behind_one_hole(capture, size):
    s = Session(capture)
    s.skip(0, 1)
    while capture.size < size:
        s.send(0, "NOOP\r\n")


@shape
def held_backwards(capture, size):
    s = Session(capture)
    count = (size - capture.size) // 76
    for n in range(count, 0, -1):
        capture.tcp(s.ends[0], s.ends[1], s.next[0] + 6 * n, s.next[1], 24, b"NOOP\r\n")


@shape
def retransmissions(capture, size):
    s = Session(capture)
    while capture.size < size:
        capture.tcp(s.ends[0], s.ends[1], s.next[0] - 6, s.next[1], 24, b"NOOP\r\n")


@shape
def stat_during_transfer(capture, size):
    s = Session(capture)
    s.passive(50000)
    s.say("RETR f", "150 here")
    while capture.size < size:
        s.say("STAT", "213 ok")


@shape
def commands_behind_open_step(capture, size):
    s = Session(capture)
    s.say("RETR f", "150 here")
    while capture.size < size:
        s.say("CWD a", "250 ok")


@shape
def preparations_then_retr(capture, size):
    s = Session(capture)
    n = 0
    while capture.size < size:
        s.say("TYPE I", "200 ok")
        n += 1
        if n % 400 == 0:
            s.say("RETR f", "550 no")


@repeat("retr")
def _(s, n):
    s.transfer("RETR f%d" % n, 20000 + n % 40000, b"x" * 100)


@repeat("stor-one-name")
def _(s, n):
    s.transfer("STOR f", 20000 + n % 40000, b"x" * 10, sender=0)


@repeat("list-one-entry")
def _(s, n):
    s.transfer("LIST", 20000 + n % 40000, b"-rw-r--r-- 1 a b 1 Jan 1 10:00 f%d\r\n" % n)


@repeat("retr-without-226")
def _(s, n):
    s.transfer("RETR f%d" % n, 20000 + n % 40000, b"x", final=None)


@repeat("size-then-retr")
def _(s, n):
    s.say("SIZE f%d" % n, "213 1")
    s.transfer("RETR f%d" % n, 20000 + n % 40000, b"x")


def listing(name, line):
    """A shape of one listing of many lines."""
    @shape
    def build(capture, size):
        s = Session(capture)
        lines, total, n = [], 0, 0
        while total < size - capture.size:
            lines.append(line(n))
            total += len(lines[-1])
            n += 1
        s.transfer("LIST", 50000, b"".join(lines))
    SHAPES[name] = build


listing("listing-unix", lambda n: b"-rw-r--r-- 1 a b 1 Jan 1 10:00 f%d\r\n" % n)
listing("listing-dos", lambda n: b"01-01-26  10:00AM  1 f%d\r\n" % n)
listing("listing-raw", lambda n: b"? %d\r\n" % n)
listing("listing-folders", lambda n: b"drwxr-xr-x 1 a b 1 Jan 1 10:00 d%d\r\n" % n)
listing("listing-one-long-name", lambda n: b"a" * 4000)
listing("listing-long-names", lambda n: b"-rw-r--r-- 1 a b 1 Jan 1 10:00 " + b"n" * 3000 + b"%d\r\n" % n)
listing("listing-blanks", lambda n: b" " * 1000)
listing("listing-short-lines", lambda n: b"a\r\n")
listing("listing-vms-folded", lambda n: b"AVERYLONGNAME%d.TXT;1\r\n" % n)
listing("listing-total", lambda n: b"d%d:\r\ntotal 1\r\n" % n)


@shape
def listing_long_name_many_files(capture, size):
    s = Session(capture)
    name = b"n" * 60000
    n = 0
    while capture.size < size:
        s.transfer("RETR " + name.decode(), 20000 + n % 40000, b"x")
        n += 1


@shape
def long_paths(capture, size):
    s = Session(capture)
    s.say("CWD /" + "d/" * 20000, "250 ok")
    n = 0
    while capture.size < size:
        s.transfer("RETR f%d" % n, 20000 + n % 40000, b"x")
        n += 1


@shape
def deep_tree(capture, size):
    s = Session(capture)
    n = 0
    while capture.size < size:
        s.say("MKD " + "/".join("d%d" % (n + i) for i in range(100)), "257 ok")
        n += 1


@shape
def early_data_and_ports(capture, size):
    s = Session(capture)
    n = 0
    while capture.size < size:
        port = 20000 + n % 40000
        data = Connection(capture, (SERVER, 20), (CLIENT, port))
        data.send(0, b"x")
        s.say("PORT 10,0,0,2,%d,%d" % divmod(10000 + n % 10000, 256), "200 ok")
        n += 1


@shape
def early_passive_and_pasv(capture, size):
    s = Session(capture)
    n = 0
    while capture.size < size:
        port = 20000 + n % 40000
        data = Connection(capture, (CLIENT, port), (SERVER, port))
        data.send(1, b"x")
        s.say("PASV", "227 x (10,0,0,21,%d,%d)" % divmod(10000 + n % 10000, 256))
        n += 1


@shape
def refused_data_connections(capture, size):
    s = Session(capture)
    n = 0
    while capture.size < size:
        port = 20000 + n % 40000
        s.passive(port)
        capture.tcp((CLIENT, port), (SERVER, port), 1, 0, 2)
        capture.tcp((SERVER, port), (CLIENT, port), 0, 2, 20)
        s.say("LIST", "425 no")
        n += 1


@shape
def unused_announcements(capture, size):
    s = Session(capture)
    n = 0
    while capture.size < size:
        s.say("PASV", "227 x (10,0,0,21,%d,%d)" % divmod(1024 + n % 60000, 256))
        n += 1


@shape
def bounce_scan(capture, size):
    s = Session(capture)
    n = 0
    while capture.size < size:
        s.say("PORT 10,0,%d,9,%d,%d" % (n % 250, n // 256 % 256, n % 256), "200 ok")
        s.say("LIST", "425 no")
        n += 1


def sessions(name, talk, host=lambda n: CLIENT, **options):
    """A shape of many sessions."""
    def build(capture, size):
        n = 0
        while capture.size < size:
            s = Session(capture, port=1024 + n % 60000, host=host(n), **options)
            talk(s, n)
            s.close()
            n += 1
    SHAPES[name] = build


client = lambda n: "10.1.%d.%d" % (n // 250 % 250, n % 250 + 1)
sessions("sessions", lambda s, n: s.say("QUIT", "221 bye"))
sessions("sessions-of-many-clients", lambda s, n: s.say("QUIT", "221 bye"), host=client)
sessions("sessions-rejected", lambda s, n: (s.say("USER u%d" % n, "331 pw"), s.say("PASS p", "530 no")), login=False)
sessions("sessions-rejected-of-many", lambda s, n: (s.say("USER u", "331 pw"), s.say("PASS p%d" % n, "530 no")),
         host=client, login=False)
sessions("sessions-without-login", lambda s, n: None, login=False)
sessions("sessions-one-file", lambda s, n: s.transfer("RETR f", 20000 + n % 40000, b"x"), host=client)
sessions("sessions-segmented", lambda s, n: (s.say("REST %d" % n, "350 ok"),
                                             s.transfer("RETR f", 20000 + n % 40000, b"x")))
sessions("sessions-stalled", lambda s, n: s.say("RETR f", "150 here"))


@shape
def sessions_left_open(capture, size):
    n = 0
    while capture.size < size:
        Session(capture, port=1024 + n % 60000, host=client(n))
        n += 1


@shape
def refused_connections(capture, size):
    n = 0
    while capture.size < size:
        port = 1024 + n % 60000
        capture.tcp((client(n), port), (SERVER, 21), 1, 0, 2)
        capture.tcp((SERVER, 21), (client(n), port), 0, 2, 20)
        n += 1


@shape
def syn_flood(capture, size):
    n = 0
    while capture.size < size:
        capture.tcp((client(n), 1024 + n % 60000), (SERVER, 21), n, 0, 2)
        n += 1


@shape
def candidates_on_other_ports(capture, size):
    n = 0
    while capture.size < size:
        c = Connection(capture, (client(n), 5000), (SERVER, 8021))
        c.send(1, "220 hello\r\n")
        n += 1


@shape
def one_candidate_byte_by_byte(capture, size):
    c = Connection(capture, (CLIENT, 5000), (SERVER, 8021))
    c.send(1, "220 hello\r\n")
    while capture.size < size:
        c.send(0, "N")


def name(text):
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")) + b"\0"


@shape
def dns_answers(capture, size):
    n = 0
    while capture.size < size:
        query = name("h%d.example" % n) + b"\0\1\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + octets("10.2.%d.%d" % (n // 250 % 250, n % 250))
        capture.udp((CLIENT, 5353 + n % 10000), (SERVER, 53), struct.pack(">HHHHHH", n & 65535, 256, 1, 0, 0, 0) + query)
        capture.udp((SERVER, 53), (CLIENT, 5353 + n % 10000),
                    struct.pack(">HHHHHH", n & 65535, 0x8180, 1, 1, 0, 0) + query + answer)
        n += 1
    Session(capture)


def runs(path, folder):
    """Commands whose slowest counts: name and arguments."""
    quiet = ["-q", "--no-progress"]
    yield "table", ["analyze", *quiet, path]
    yield "json", ["analyze", *quiet, "--format", "json", path]
    yield "ndjson", ["analyze", *quiet, "--format", "ndjson", path]
    yield "csv", ["analyze", *quiet, "--format", "csv", "-o", os.path.join(folder, "csv"), path]
    yield "html", ["analyze", *quiet, "--format", "html", path]
    yield "verbose", ["analyze", *quiet, "-v", path]
    yield "live", ["live", "-r", path]
    yield "diagram", ["diagram", *quiet, path]
    yield "steps", ["diagram", *quiet, "--detail", "steps", path]
    yield "mermaid", ["diagram", *quiet, "--format", "mermaid", path]
    yield "svg", ["diagram", *quiet, "--format", "svg", path]
    yield "tree", ["tree", *quiet, path]
    yield "record", ["check", *quiet, "--record", os.path.join(folder, "expected.toml"), path]
    yield "expect", ["check", *quiet, "--expect", os.path.join(folder, "expected.toml"), path]
    yield "baseline", ["check", *quiet, "--baseline", os.path.join(folder, "small.pcap"), path]
    yield "rules", ["check", *quiet, "--rule", "no-cleartext-login", "--rule", "all-transfers-complete", path]
    yield "where", ["analyze", *quiet, "--where", "steps.exists(s, s.commands.exists(c, c.verb == \"FROB\"))", path]
    yield "extract", ["analyze", *quiet, "-x", os.path.join(folder, "files"), path]


def measure(binary, arguments, limit):
    """Seconds, bytes of output and peak kilobytes of one run."""
    before = time.monotonic()
    process = subprocess.Popen([binary, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    count = 0
    timed_out = False
    import threading
    timer = threading.Timer(limit, process.kill)
    timer.start()
    while chunk := process.stdout.read(1 << 20):
        count += len(chunk)
        if count > 1 << 30:
            process.kill()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.returncode = status
    # Processor time: what else runs on the machine must not decide.
    return usage.ru_utime + usage.ru_stime, count, usage.ru_maxrss, time.monotonic() - before


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="target/release/ftpscope")
    parser.add_argument("--size", type=float, default=1.0, help="n in MB")
    parser.add_argument("--only", default="", help="shapes with this word in their name")
    parser.add_argument("--runs", default="", help="only these runs, with commas between them")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds after which a run is killed")
    options = parser.parse_args()
    failed = []
    print(f"{'shape':32} {'slowest':9} {'n':>7} {'2n':>7} {'ratio':>6} {'output':>7} {'memory':>7}")
    for title, build in SHAPES.items():
        if options.only not in title:
            continue
        with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
            small, large = Capture(), Capture()
            build(small, int(options.size * 1e6))
            build(large, int(options.size * 2e6))
            results = {}
            paths = [os.path.join(folder, "small.pcap"), os.path.join(folder, "large.pcap")]
            small.write(paths[0])
            large.write(paths[1])
            for index, path in enumerate(paths):
                recorded = os.path.join(folder, "expected.toml")
                if os.path.exists(recorded):
                    os.remove(recorded)
                for run, arguments in runs(path, folder):
                    if options.runs and run not in (*options.runs.split(","), "record"):
                        continue
                    results[run, index] = measure(options.bin, arguments, options.limit)
            names = sorted({run for run, _ in results}, key=lambda run: -results[run, 1][0])
            first = True
            for run in names:
                n, twice = results[run, 0], results[run, 1]
                ratio = twice[0] / max(n[0], 0.001)
                much = twice[1] / large.size
                reasons = []
                if twice[0] > 6 * options.size:
                    reasons.append("slow")
                if twice[0] > 0.5 and ratio > 2.9:
                    reasons.append("grows")
                if much > 64:
                    reasons.append("output")
                if first or reasons:
                    print(f"{title:32} {run:9} {n[0]:7.2f} {twice[0]:7.2f} {ratio:6.1f} {much:6.1f}x "
                          f"{twice[2] // 1024:5} MB  {' '.join(reasons)}", flush=True)
                if reasons:
                    failed.append(f"{title} ({run})")
                first = False
    print(f"{len(SHAPES)} shapes, {len(failed)} runs failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
