"""FTPS with real servers and clients, with key logs: recorded, then read by ftpscope and by tshark.

usage: ftps.py [--list] [--small] [NAME...]; a NAME may end in `*`

Records below LAB_CACHE/ftps, as root: NAME.pcap, NAME.keys and NAME.json, which says what each file held. `ftps_read.py`
compares what ftpscope reads. With `--small` the files are small: so are those of testdata/tls made that are named like a case.

All cases run one script as far as the client can: list, read data.bin and notes.txt, store report.bin.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import content
import servers
from network import SERVER4, SERVER6, Network
from scenes import NAME, scratch
from servers import CACHE, PASSWORD, UID, USER

FOLDER = CACHE.resolve() / "ftps"
FILES = {"data.bin": content.noise(200_000), "notes.txt": content.text(1715), "report.bin": content.noise(40_000, 2)}
SMALL = {"data.bin": content.noise(6_000), "notes.txt": content.text(500), "report.bin": content.noise(3_000, 2)}


# Servers.

def vsftpd(network, pem, ciphers=None, implicit=False, port=21, **settings):
    """vsftpd; the client says which version."""
    # Its own default is 3DES alone, which no client of today has.
    settings = {"ssl_ciphers": ciphers or "DEFAULT:@SECLEVEL=0", "ssl_enable": "YES", "ssl_tlsv1": "YES", "require_ssl_reuse": "NO", "rsa_cert_file": pem, "implicit_ssl": "YES" if implicit else "NO",
                "rsa_private_key_file": pem, "force_local_data_ssl": "NO", "force_local_logins_ssl": "NO", **settings}
    servers.vsftpd(network, port, **settings)


def pure_ftpd(network, pem, ciphers=None, implicit=False, port=21):
    """pure-ftpd."""
    servers.pure_ftpd(network, port, "-Y", "1", "-2", pem, *(["-J", ciphers] if ciphers else []))


def proftpd(network, pem, ciphers=None, implicit=False, port=21, *directives, options="NoSessionReuseRequired"):
    """proftpd with mod_tls."""
    kind = "RSA" if b"RSA" in subprocess.run(["openssl", "x509", "-in", pem, "-text"], capture_output=True).stdout.split(b"Public Key Algorithm:")[1][:20].upper() else "EC"
    options += " UseImplicitSSL" if implicit else ""
    servers.proftpd(network, port, f"ModulePath {CACHE.resolve()}/usr/lib/proftpd", "LoadModule mod_tls.c",
                    "TLSEngine on", "TLSProtocol ALL", f"TLS{kind}CertificateFile {pem}", f"TLS{kind}CertificateKeyFile {pem}",
                    f"TLSLog {network.folder}/tls.log", f"TLSOptions {options}", f"TLSCipherSuite {ciphers or 'DEFAULT:@SECLEVEL=0'}", *directives)


def pyftpdlib(network, pem, ciphers=None, implicit=False, port=21):
    """pyftpdlib."""
    servers.pyftpdlib(network, port, pem, ciphers or "DEFAULT", *(["implicit"] if implicit else []))


# Clients. Each writes its secrets to `keys`; `tls` says whether TLS is wanted at all.

def curl(network, keys, tls=True, options=(), host=SERVER4, implicit=False, port=21, secure=True):
    """One process of curl, thus one session: a listing, both files, the upload."""
    host = f"[{host}]" if ":" in host else host
    url = f"{'ftps' if implicit else 'ftp'}://{host}:{port}"
    report = network.folder / "report.bin"
    common = ["-sS", "-k", "-m", "60", "-u", f"{USER}:{PASSWORD}", *(["--ssl-reqd"] if tls and not implicit else []), *options]
    steps = [[f"{url}/", "-o", "/dev/null"], [f"{url}/data.bin", "-o", "/dev/null"], [f"{url}/notes.txt", "-o", "/dev/null"],
             ["-T", report, f"{url}/report.bin"]]
    command = []
    for step in steps:
        command += [*(["--next"] if command else []), *common, *step]
    return network.run("c", "curl", *command, env={**os.environ, "SSLKEYLOGFILE": str(keys)}, check=False)


def lftp(network, keys, tls=True, settings="", host=SERVER4, implicit=False, port=21):
    """lftp, with GnuTLS."""
    host = f"[{host}]" if ":" in host else host
    force = "yes" if tls else "no"
    lines = [f"set ftp:ssl-force {force}; set ftp:ssl-allow {force}; set ftp:ssl-protect-data yes; set ftp:ssl-protect-list yes",
             "set ssl:verify-certificate no; set net:timeout 20; set net:max-retries 1", *([settings] if settings else []),
             f"open -u {USER},{PASSWORD} {'ftps' if implicit else 'ftp'}://{host}:{port}",
             "cls -l", "get data.bin", "get notes.txt", f"put {network.folder}/report.bin", "bye"]
    return network.run("c", "lftp", "--norc", "-c", "; ".join(lines), cwd=scratch(network), check=False,
                       env={**os.environ, "SSLKEYLOGFILE": str(keys)})


def ftplib(network, keys, tls=True, version="TLSv1_3", ciphers=None, resume=False, host=SERVER4, implicit=False, port=21,
           before="", between="", protect=True, own_context=False, certificate=None):
    """Python's ftplib."""
    script = f'''
import ftplib, io, ssl, socket
context = ssl._create_unverified_context()
context.minimum_version = context.maximum_version = ssl.TLSVersion.{version}
context.set_ciphers({(ciphers or 'DEFAULT:@SECLEVEL=0')!r})
context.keylog_filename = {str(keys)!r}
if {certificate is not None}:
    context.load_cert_chain({str(certificate)!r})
class FTPS(ftplib.FTP_TLS):
    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            session = self.sock.session if {resume} else None
            conn = self.context.wrap_socket(conn, server_hostname=None, session=session)
        return conn, size
    def connect(self, host, port):
        if not {implicit}:
            return super().connect(host, port)
        self.host, self.port = host, port
        self.sock = self.context.wrap_socket(socket.create_connection((host, port), 30))
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
    def auth(self):
        return "" if {implicit} else super().auth()
ftp = FTPS(context=context, timeout=30) if {tls} else ftplib.FTP(timeout=30)
ftp.set_debuglevel(1)
ftp.connect({host!r}, {port})
{before}
if {implicit}:
    ftplib.FTP.login(ftp, {USER!r}, {PASSWORD!r})
else:
    ftp.login({USER!r}, {PASSWORD!r})
if {tls} and {protect}:
    ftp.prot_p()
{between}
ftp.retrlines("LIST", str)
ftp.retrbinary("RETR data.bin", bytes)
ftp.retrbinary("RETR notes.txt", bytes)
ftp.storbinary("STOR report.bin", open({str(network.folder / 'report.bin')!r}, "rb"))
ftp.quit()
'''
    return network.run("c", sys.executable, "-c", script, cwd=scratch(network), check=False)


def case(server, client, key="ec", ciphers=None, lose=None, offload=False, port=21, implicit=False, server_options=None, note=None):
    """A case: a server, a client, and what lies between them."""
    return {"server": server, "client": client, "key": key, "ciphers": ciphers, "lose": lose, "offload": offload,
            "port": port, "implicit": implicit, "server_options": server_options or {}, "note": note}


SERVERS = {"vsftpd": vsftpd, "pureftpd": pure_ftpd, "proftpd": proftpd, "pyftpdlib": pyftpdlib}
ANY = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
OLD = "DEFAULT:@SECLEVEL=0"


def cases():
    found = {}
    clients = {
        "curl": lambda version: partial(curl, options=("--tls-max", version)),
        "lftp": lambda version: partial(lftp, settings=f"set ssl:priority NORMAL:-VERS-ALL:+VERS-TLS{version}"),
        "python": lambda version: partial(ftplib, version=f"TLSv{version.replace('.', '_')}"),
        "python-resumed": lambda version: partial(ftplib, version=f"TLSv{version.replace('.', '_')}", resume=True),
    }
    for name, server in SERVERS.items():
        for client, make in clients.items():
            for version in ("1.2", "1.3"):
                found[f"{name}-{client}-{version}"] = case(server, make(version))
        for client in ("curl", "lftp", "python"):
            found[f"{name}-{client}-clear"] = case(server, partial({"curl": curl, "lftp": lftp, "python": ftplib}[client], tls=False))
    suites = {
        "1.2": ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305", "DHE-RSA-AES128-CCM",
                "DHE-RSA-AES256-CCM8", "AES128-CCM8", "AES256-CCM", "AES128-GCM-SHA256", "AES256-GCM-SHA384", "DHE-RSA-AES256-SHA256",
                "ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA", "AES256-SHA", "AES128-SHA256", "NULL-SHA256", "ECDHE-RSA-NULL-SHA",
                "CAMELLIA128-SHA", "ARIA128-GCM-SHA256", "ADH-AES128-GCM-SHA256"],
        "1.1": ["AES128-SHA", "DHE-RSA-AES256-SHA"],
        "1.0": ["AES256-SHA", "ECDHE-RSA-AES128-SHA"],
    }
    for version, names in suites.items():
        for suite in names:
            version_name = {"1.2": "TLSv1_2", "1.1": "TLSv1_1", "1.0": "TLSv1"}[version]
            found[f"suite-{version}-{suite}"] = case(proftpd, partial(ftplib, version=version_name, ciphers=f"{suite}:@SECLEVEL=0", resume=len(suite) % 2 == 0),
                                                    "rsa", ANY)
    for suite in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"):
        found[f"suite-1.3-{suite}"] = case(vsftpd, partial(curl, options=("--tls13-ciphers", suite)))
    for priority in ("NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-CCM", "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM",
                     "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305",
                     "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC:+SHA1", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-CBC:%NO_ETM",
                     "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CCM-8", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA",
                     "NORMAL:-VERS-ALL:+VERS-TLS1.2:%NO_SESSION_HASH", "NORMAL:-VERS-ALL:+VERS-TLS1.2:%NO_TICKETS"):
        short = priority.split(":", 2)[2].replace(":", "_").replace("+", "").replace("%", "").replace("-CIPHER-ALL", "").replace("-KX-ALL", "")
        found[f"gnutls{short}"] = case(proftpd, partial(lftp, settings=f"set ssl:priority {priority}"), "rsa", ANY)
    for name in SERVERS:
        found[f"{name}-active"] = case(SERVERS[name], partial(ftplib, between="ftp.set_pasv(False)"))
        found[f"{name}-active-1.2-resumed"] = case(SERVERS[name], partial(ftplib, between="ftp.set_pasv(False)", version="TLSv1_2", resume=True))
        found[f"{name}-ipv6"] = case(SERVERS[name], partial(curl, host=SERVER6))
        found[f"{name}-lftp-ipv6"] = case(SERVERS[name], partial(lftp, host=SERVER6))
        found[f"{name}-prot-c"] = case(SERVERS[name], partial(ftplib, protect=False))
        if name != "pureftpd":
            found[f"{name}-implicit"] = case(SERVERS[name], partial(curl, implicit=True, port=990), port=990, implicit=True)
            found[f"{name}-implicit-2121"] = case(SERVERS[name], partial(ftplib, implicit=True, port=2990), port=2990, implicit=True)
            found[f"{name}-implicit-lftp"] = case(SERVERS[name], partial(lftp, implicit=True, port=990), port=990, implicit=True)
        found[f"{name}-auth-ssl"] = case(SERVERS[name], partial(ftplib, before="ftp.auth = lambda: (ftp.voidcmd('AUTH SSL'), setattr(ftp, 'sock', context.wrap_socket(ftp.sock)), setattr(ftp, 'file', ftp.sock.makefile('r', encoding=ftp.encoding)))"))
        for percent in (1, 5):
            for version in ("1.2", "1.3"):
                found[f"{name}-loss{percent}-{version}"] = case(SERVERS[name], partial(ftplib, version=f"TLSv{version.replace('.', '_')}"), lose=("c", "after", percent))
        found[f"{name}-offload"] = case(SERVERS[name], partial(curl), offload=True)
    for name in ("pureftpd", "proftpd"):
        found[f"{name}-ccc"] = case(SERVERS[name], partial(ftplib, between="ftp.ccc()"))
        found[f"{name}-ccc-1.2"] = case(SERVERS[name], partial(ftplib, between="ftp.ccc()", version="TLSv1_2"))
        found[f"{name}-ccc-curl"] = case(SERVERS[name], partial(curl, options=("--ftp-ssl-ccc",)))
        found[f"{name}-ccc-curl-active"] = case(SERVERS[name], partial(curl, options=("--ftp-ssl-ccc", "--ftp-ssl-ccc-mode", "active")))
        found[f"{name}-ccc-lftp"] = case(SERVERS[name], partial(lftp, settings="set ftp:ssl-use-ccc yes" if False else "set ftp:ssl-data-use-keys yes"))
    found["proftpd-renegotiation"] = case(proftpd, partial(ftplib, version="TLSv1_2", between="import time; ftp.voidcmd('NOOP'); time.sleep(2.5); ftp.voidcmd('NOOP')"),
                                          server_options={"directives": ["TLSRenegotiate ctrl 1 data 1024 timeout 10 required off"], "options": "NoSessionReuseRequired AllowClientRenegotiations"})
    found["proftpd-client-cert"] = case(proftpd, partial(ftplib, certificate="PEM"), server_options={"directives": ["TLSVerifyClient optional", "TLSCACertificateFile PEM"]})
    found["proftpd-client-cert-1.2"] = case(proftpd, partial(ftplib, certificate="PEM", version="TLSv1_2"), server_options={"directives": ["TLSVerifyClient optional", "TLSCACertificateFile PEM"]})
    found["proftpd-reuse-required"] = case(proftpd, partial(ftplib, version="TLSv1_2"), server_options={"options": "EnableDiags"})
    found["vsftpd-reuse-required"] = case(vsftpd, partial(ftplib, version="TLSv1_2"), server_options={"require_ssl_reuse": "YES"})
    found["pyftpdlib-bad-suite"] = case(pyftpdlib, partial(ftplib, version="TLSv1_2", ciphers="AES128-SHA256"), ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
    found["vsftpd-no-suite"] = case(vsftpd, partial(ftplib, version="TLSv1_2"), ciphers="AES128-SHA")
    found["vsftpd-curl-verify"] = case(vsftpd, partial(curl, options=("--no-insecure",)))
    return found


def record(name, case):
    FOLDER.mkdir(parents=True, exist_ok=True)
    path, keys = FOLDER / f"{name}.pcap", FOLDER / f"{name}.keys"
    keys.unlink(missing_ok=True)
    with Network(case["offload"]) as network:
        servers.accounts(network)
        for file in ("data.bin", "notes.txt"):
            content.put(network.home / file, FILES[file], UID)
        content.put(network.folder / "report.bin", FILES["report.bin"])
        pem = servers.certificate(network, case["key"])
        options = dict(case["server_options"])
        directives = [line.replace("PEM", str(pem)) for line in options.pop("directives", [])]
        if case["server"] is proftpd:
            proftpd(network, pem, case["ciphers"], case["implicit"], case["port"], *directives, **options)
        else:
            case["server"](network, pem, case["ciphers"], case["implicit"], case["port"], **options)
        client = case["client"]
        if client.keywords.get("certificate"):
            client = partial(client, certificate=pem)
        if case["lose"]:
            side, where, percent = case["lose"]
            network.lose(percent, side, where)
            network.lose(percent, "s", "after")
        with network.tap(path):
            start = time.time()
            done = client(network, keys)
        keys.touch()
        (FOLDER / f"{name}.key").write_bytes(Path(pem).read_bytes())
        (FOLDER / f"{name}.log").write_text(done.stdout or "")
        log = network.folder / "tls.log"
        if log.exists():
            (FOLDER / f"{name}.tls.log").write_bytes(log.read_bytes())
        stored = network.home / "report.bin"
        truth = {file: hashlib.sha256(data).hexdigest() for file, data in FILES.items()}
        (FOLDER / f"{name}.json").write_text(json.dumps({"exit": done.returncode, "files": truth, "stored": stored.exists()}))
    return f"exit {done.returncode}, {time.time() - start:.1f} s, {path.stat().st_size} bytes, {len(keys.read_text().splitlines())} secrets"


def main(arguments):
    for ending in (signal.SIGTERM, signal.SIGHUP):
        # Leave by an exception, so that the network is taken down.
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    known = cases()
    if arguments[:1] == ["--small"]:
        arguments = arguments[1:]
        FILES.update(SMALL)
    if arguments[:1] == ["--list"]:
        print("\n".join(known))
        return 0
    for name in arguments or known:
        if name.endswith("*"):
            names = [other for other in known if other.startswith(name[:-1])]
        else:
            names = [name]
        for name in names:
            try:
                print(f"{name}: {record(name, known[name])}", flush=True)
            except Exception as error:
                print(f"{name}: FAILED {error!r:.300}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
