"""Compares what ftpscope reads in the captures of `ftps.py` with the files that were sent, with tshark, and with the clear run.

usage: ftps_read.py PROGRAM [NAME...]; prints each difference, and ends with 1 where there is one.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(os.environ.get("LAB_CACHE", "target/lab")).resolve() / "ftps"

# Cases in which not everything can be read, or nothing happens.
HIDDEN = re.compile("CAMELLIA|ARIA|^pyftpdlib-bad|no-suite|reuse-required|curl-verify|-clear$")


def analyze(program, name, *options):
    keys = FOLDER / f"{name}.keys"
    command = [program, "analyze", FOLDER / f"{name}.pcap", "--format", "json", "--show-passwords", *options]
    if not options and keys.stat().st_size:
        command += ["--keylog", keys]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{name}: exit {done.returncode}: {done.stderr:.300}")
    return json.loads(done.stdout)


def check(program, name):
    report = analyze(program, name)
    truth = json.loads((FOLDER / f"{name}.json").read_text())
    wrong = []
    for warning in report["warnings"]:
        wrong.append(f"warning {warning['code']}: {warning['message']}")
    transfers = [(s, t) for s in report["sessions"] for t in s["transfers"]]
    if not HIDDEN.search(name):
        for session in report["sessions"]:
            tls = session["tls"]
            if not tls or not tls["decrypted"] or tls["obstacle"] or tls["records"] != tls["records_opened"]:
                wrong.append(f"control: {json.dumps(tls)}")
            for entry in session.get("encrypted_data") or []:
                wrong.append(f"encrypted_data: {json.dumps(entry['tls'])}")
            if session["login"]["outcome"] != "accepted":
                wrong.append(f"login {session['login']}")
        for entry in report["unmatched_data"]:
            wrong.append(f"unmatched {json.dumps(entry)}")
        whole = {t["name"]: t for _, t in transfers if t["completeness"] == "complete"}
        for file, digest in truth["files"].items():
            if file not in whole:
                wrong.append(f"{file} is not complete")
            elif whole[file]["sha256"] != digest:
                wrong.append(f"{file} has another digest")
        for _, transfer in transfers:
            tls = transfer.get("tls")
            if transfer["completeness"] != "complete":
                wrong.append(f"{transfer['verb']} {transfer['argument']}: {transfer['completeness']} {transfer['evidence']}")
            if "prot-c" in name:
                continue
            if not tls or not tls["decrypted"] or tls["obstacle"] or tls["content_bytes"] != transfer["bytes"]:
                wrong.append(f"{transfer['verb']} {transfer['argument']}: {transfer['bytes']} bytes, {json.dumps(tls)}")
            if tls and tls["close_notify"] is None:
                wrong.append(f"{transfer['verb']} {transfer['argument']}: close_notify null")
    lines = [(c["verb"], c["argument"]) for s in report["sessions"] for step in s["steps"] for c in step["commands"]]
    replies = {reply["code"] for s in report["sessions"] for step in s["steps"] for c in step["commands"] for reply in c["replies"]}
    replies |= {reply["code"] for s in report["sessions"] for reply in [*s["unsolicited_replies"], *([s["greeting"]] if s["greeting"] else [])]}
    ours, theirs = lines, tshark(name)
    if theirs is not None and not HIDDEN.search(name):
        theirs, their_replies = theirs
        if ours != theirs:
            wrong.append(f"commands: tshark {[x for x in theirs if x not in ours]}, ftpscope {[x for x in ours if x not in theirs]}")
        if replies != their_replies:
            wrong.append(f"replies {sorted(replies)}, tshark {sorted(their_replies)}")
    findings = sorted({f["id"] for s in report["sessions"] for f in s["findings"]})
    verdicts = [f"{s['verdict']['status']}: {s['verdict']['text']}" for s in report["sessions"]]
    return wrong, findings, verdicts, report


def tshark(name):
    """The commands, and the codes of all replies; nothing where tshark does not know the way to TLS."""
    keys = FOLDER / f"{name}.keys"
    # tshark takes only AUTH TLS for the way to TLS.
    if re.search("curl|implicit|auth-ssl|-clear|suite-1.3|-ipv6|-offload", name):
        return None
    command = ["tshark", "-r", FOLDER / f"{name}.pcap", "-o", f"tls.keylog_file:{keys}", "-Y", "ftp", "-T", "json", "-e", "ftp.request.command",
               "-e", "ftp.request.arg", "-e", "ftp.response.code"]
    packets = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    commands, replies = [], set()
    for packet in packets:
        layers = packet["_source"]["layers"]
        verbs, arguments = layers.get("ftp.request.command", []), layers.get("ftp.request.arg", [])
        if len(verbs) == 1:
            commands.append((verbs[0].upper(), arguments[0] if arguments else None))
        elif verbs:
            commands.extend((verb.upper(), None) for verb in verbs)
        replies.update(map(int, layers.get("ftp.response.code", [])))
    return commands, replies


def script(report):
    """What both runs of a script have in common."""
    found = []
    for session in report["sessions"]:
        commands = [c["verb"] for step in session["steps"] for c in step["commands"]]
        found.append([c for c in commands if c not in ("AUTH", "PBSZ", "PROT", "CCC", "FEAT", "OPTS", "CLNT", "HOST", "SYST", "PWD")])
        found.append(session["verdict"]["status"])
        found.append([f["id"] for f in session["findings"] if not f["id"].startswith(("tls-", "cleartext"))])
        for transfer in session["transfers"]:
            # A listing of facts holds inodes.
            transfer["sha256"] = transfer["sha256"] if transfer["direction"] != "listing" else None
            found.append({key: transfer[key] for key in ("verb", "argument", "path", "direction", "mode", "data_type", "bytes", "sha256", "media_type",
                                                         "completeness", "announced_bytes", "missing_bytes")})
    return found


def main(arguments):
    program, *names = arguments
    names = names or sorted(path.stem for path in FOLDER.glob("*.json"))
    failed = 0
    for name in names:
        try:
            wrong, findings, verdicts, report = check(program, name)
            match = re.fullmatch(r"(vsftpd|pureftpd|proftpd|pyftpdlib)-(curl|lftp|python)(-resumed)?-1\.[23]", name)
            if match and (FOLDER / f"{match[1]}-{match[2]}-clear.json").exists():
                ours, clear = script(report), script(analyze(program, f"{match[1]}-{match[2]}-clear"))
                for a, b in zip(ours, clear):
                    if a != b:
                        wrong.append(f"differs from clear: {a} / {b}")
                if len(ours) != len(clear):
                    wrong.append("other number of sessions or transfers than in clear")
        except Exception as error:
            wrong, findings, verdicts = [repr(error)], [], []
        failed += bool(wrong)
        print(f"{'BAD ' if wrong else 'ok  '} {name}: {' '.join(findings)} | {'; '.join(verdicts)}"[:400])
        for line in wrong:
            print(f"      {line}"[:700])
    print(f"{len(names)} read, {failed} with differences")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
