"""Checks what `ftpscope carve` promises, on every capture of the folders given.

usage: carve_read.py PROGRAM [-v] FOLDER_OR_CAPTURE...; prints each broken promise, and ends with 1 where there is one.

same        the carved file has the same sessions
redacted    the redacted file has the sessions of the original, with texts and addresses replaced by others of the same length
checksum    a checksum that was right is right, one that was wrong is wrong
original    no value of the mapping file stands where it stood: as it was, in base64, percent-encoded
malformed   tshark finds no damaged packet that was not damaged before
"""

import base64
import collections
import json
import re
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ENDINGS = (".pcap", ".pcapng", ".cap", ".gz", ".zst", ".lz4", ".snoop")
KEY = "0123456789abcdef" * 4
# Facts of one run, or of one file.
UNSTABLE = {"obstacle", "id", "uid", "sessions", "capture", "capture_frame", "display_filter", "display_filters", "raw_b64"}
# Texts that may be replaced; of them the length counts.
TEXTS = {
    "argument", "path", "name", "directory", "user", "account", "password", "ip", "server_name", "lines", "aliases",
    "answers", "owner", "group", "target", "resumes", "layers",
}
# Texts and numbers made from others, of which nothing can be compared byte by byte.
DERIVED = {"title", "text", "evidence", "explanation", "advice", "community_id", "raw", "saved_as", "certificate_sha256"}
# What listings and files say is gone with their content.
CONTENT = {"entries", "entries_omitted", "sha256", "media_type", "decoded", "cut_lines"}
WORDS = (
    "ftpscope carved from captures sessions redacted passwords users addresses names paths content banners not hidden "
    "ports times lengths options identifications records replacements prefixes numbers comments hosts interfaces"
)
# Verbs stay, and so do the users that everybody may be.
STAYS = re.compile(rb"(?i)(?:USER|PASS|LIST|STOR|RETR|SIZE|REST|HELP|STAT|ALLO|MODE|TYPE|PORT|ABOR|QUIT|MDTM|SITE) ?|USER (anonymous|ftp)\b")


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, stdin=subprocess.DEVNULL)


def report(program, capture, *options):
    done = run(program, "analyze", "--format", "json", "-q", *options, capture)
    return json.loads(done.stdout) if done.stdout else None


def comparable(value, redacted, key=""):
    if isinstance(value, dict):
        kept = {}
        for name, inner in value.items():
            dropped = "frame" in name or name in UNSTABLE or name.endswith("_b64")
            if not dropped and not (redacted and name in DERIVED | CONTENT):
                kept[name] = comparable(inner, redacted, name)
        if redacted and "lines" in kept:
            kept["lines"] = len(kept["lines"])
        return kept
    if isinstance(value, list):
        return [comparable(inner, redacted, key) for inner in value]
    if isinstance(value, str):
        if redacted and key in TEXTS:
            return len(value.encode())
        return re.sub(r"frames?[ #-]*\d+(?:(?:, | and |-| to )\d+)*", "frame", value)
    if key == "end_state" and value == "timeout":
        return "open"
    return value


def sessions(found, redacted=False):
    return [comparable(session, redacted) for session in (found or {}).get("sessions", [])]


def differences(one, other, path=""):
    """The places at which two values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            if one.get(name) != other.get(name):
                yield from differences(one.get(name), other.get(name), f"{path}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other)):
            yield from differences(*pair, f"{path}[{number}]")
    elif one != other:
        yield f"{path}: {json.dumps(one)[:160]} became {json.dumps(other)[:160]}"


def packets(path):
    """The packets of a pcapng file that ftpscope wrote, and all else that stands in it."""
    data = Path(path).read_bytes()
    found, rest, at = [], bytearray(), 0
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            size = struct.unpack_from("<I", data, at + 20)[0]
            found.append(data[at + 28 : at + 28 + size])
            rest += data[at + 28 + size : at + length - 4]
        else:
            rest += data[at + 8 : at + length - 4]
        at += length
    return found, bytes(rest)


FIELDS = ["ip.checksum.status", "tcp.checksum.status", "udp.checksum.status", "icmp.checksum.status", "icmpv6.checksum.status"]


def tshark(path):
    """The states of the checksums of each packet, and whether it is damaged."""
    command = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "separator=/t"]
    for protocol in ["ip", "tcp", "udp"]:
        command += ["-o", f"{protocol}.check_checksum:TRUE"]
    for field in [*FIELDS, "_ws.malformed"]:
        command += ["-e", field]
    rows = run(*command).stdout.decode(errors="replace").splitlines()
    return [(row.split("\t")[:-1], bool(row.split("\t")[-1])) for row in rows]


def forms(value):
    yield value
    yield base64.b64encode(value).rstrip(b"=")
    yield "".join(f"%{byte:02X}" for byte in value).encode()


def originals(program_mapping, before, after):
    values, replacements = {}, []
    for line in Path(program_mapping).read_text().splitlines():
        line = json.loads(line)
        original = base64.b64decode(line["original_b64"]) if "original_b64" in line else line["original"].encode()
        replacements.append(line["replacement"].lower())
        if len(original) >= 4:
            values[original] = line["kind"]
    if not values:
        return
    wanted, firsts = {}, collections.defaultdict(set)
    for value, kind in values.items():
        for form in map(bytes.lower, forms(value)):
            wanted[form] = (value, kind)
            firsts[form[:4]].add(len(form))

    def search(text, begin, end):
        lower = text[begin:end].lower()
        for at in range(len(lower) - 3):
            for length in firsts.get(lower[at : at + 4], ()):
                if lower[at : at + length] in wanted:
                    yield begin + at, begin + at + length, wanted[lower[at : at + length]]

    (packets_before, _), (packets_after, rest) = before, after
    for number, (old, new) in enumerate(zip(packets_before, packets_after), 1):
        # Full stops are what content becomes.
        same = bytes(1 if a == b and b != 46 else 0 for a, b in zip(old, new))
        for run in re.finditer(b"\1{4,}", same):
            for begin, end, (value, kind) in search(new, *run.span()):
                is_extension = new[begin - 1 : begin] == b"." and end - begin <= 8
                is_verb = STAYS.fullmatch(new[max(0, begin - 5) : end][-14:]) or STAYS.fullmatch(new[begin:end])
                if not (kind == "paths" and is_extension) and not is_verb:
                    yield f"{kind} {value!r} in packet {number}: {new[max(0, begin - 30) : end + 20]!r}"
    replacements = "\n".join([WORDS, "anonymous", *replacements])
    for begin, end, (value, kind) in search(rest, 0, len(rest)):
        # A permutation makes one value of another.
        if value.decode(errors="replace").lower() not in replacements:
            yield f"{kind} {value!r} in a comment: {rest[max(0, begin - 40) : end + 20]!r}"


def check(program, capture):
    broken = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "key").write_text(KEY)
        carved, redacted, mapping = folder / "carved.pcapng", folder / "redacted.pcapng", folder / "mapping"
        done = run(program, "carve", "-q", "--embed-secrets", "-w", carved, capture)
        if done.returncode not in (0, 3):
            return [f"carve: exit {done.returncode}: {done.stderr.decode():.300}"]
        if not carved.exists():
            return []
        done = run(program, "carve", "-q", "-w", redacted, "--redact", "all", "--redact-key", folder / "key",
                   "--mapping", mapping, capture)
        before = report(program, capture)
        after = report(program, carved)
        broken += [f"same{one}" for one in differences(sessions(before), sessions(after))]
        if done.returncode not in (0, 3):
            return [*broken, f"redacted: exit {done.returncode}: {done.stderr.decode():.300}"]
        hidden = report(program, redacted)
        # Secrets are not carried over.
        before = report(program, capture, "--no-decrypt")
        broken += [f"redacted{one}" for one in differences(sessions(before, True), sessions(hidden, True))]
        written = packets(carved), packets(redacted)
        if len(written[0][0]) != len(written[1][0]):
            broken.append(f"redacted: {len(written[0][0])} packets became {len(written[1][0])}")
        if not run(program, "analyze", "-q", "--format", "json", redacted).stdout:
            broken.append("redacted: cannot be read")
        broken += [f"original: {one}" for one in originals(mapping, *written)]
        shown = tshark(carved), tshark(redacted)
        for number, (old, new) in enumerate(zip(*shown), 1):
            if old[0] != new[0]:
                broken.append(f"checksum: packet {number}: {old[0]} became {new[0]}")
            if new[1] and not old[1]:
                broken.append(f"malformed: packet {number}")
        if len(shown[0]) != len(shown[1]):
            broken.append("malformed: tshark does not read all packets")
    return broken


def main():
    arguments = sys.argv[1:]
    verbose = "-v" in arguments
    program, *given = [one for one in arguments if one != "-v"]
    captures = []
    for path in map(Path, given):
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        captures += [one for one in found if one.is_file() and (one.name.endswith(ENDINGS) or not path.is_dir())]
    counts = collections.Counter()
    broken_captures = 0
    with ThreadPoolExecutor(2) as pool:
        for capture, broken in zip(captures, pool.map(lambda one: check(program, one), captures)):
            broken_captures += bool(broken)
            counts.update(re.split(r"\W", one)[0] for one in broken)
            for one in broken if verbose else broken[:4]:
                print(f"{capture}: {one}")
            if len(broken) > 4 and not verbose:
                print(f"{capture}: and {len(broken) - 4} more")
    print(f"{len(captures)} captures, {broken_captures} with broken promises {dict(counts)}")
    return broken_captures > 0


if __name__ == "__main__":
    sys.exit(main())
