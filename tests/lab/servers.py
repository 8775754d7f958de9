"""The servers, each started with one call in the server's namespace.

All serve the same account: `mira`, password `hazel-lantern`, locked into a home folder, which is `network.home`.
Anonymous users see the folder `network.public`, where they have that right.
"""

import os
import subprocess
import sys
from pathlib import Path

from network import RESOLVER, SERVER4, SERVER6

USER, PASSWORD = "mira", "hazel-lantern"
UID = 3021
CACHE = Path(os.environ.get("LAB_CACHE", "target/lab"))
ENVIRONMENT = {**os.environ, "LD_LIBRARY_PATH": str(CACHE / "usr/lib/x86_64-linux-gnu"), "TZ": "UTC"}


def accounts(network):
    """Makes the account and the folders; nothing of it touches the host's own /etc."""
    network.home, network.public = network.folder / "home", network.folder / "public"
    for folder, owner in ((network.home, UID), (network.public, 0)):
        folder.mkdir()
        os.chown(folder, owner, owner)
    secret = subprocess.run(["openssl", "passwd", "-6", "-salt", "lab", PASSWORD],
                            check=True, capture_output=True, text=True).stdout.strip()
    network.overlay("s", "passwd", "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n"
                    f"ftp:x:102:105::{network.public}:/bin/false\n{USER}:x:{UID}:{UID}::{network.home}:/bin/sh\n")
    network.overlay("s", "group", f"root:x:0:\nnogroup:x:65534:\nftp:x:105:\n{USER}:x:{UID}:\n")
    network.overlay("s", "shadow", f"{USER}:{secret}:20000:0:99999:7:::\n", mode=0o600)


def certificate(network, kind="ec"):
    """Key and certificate of the server in one file; `kind` is `ec` or `rsa`."""
    path = network.folder / "server.pem"
    options = {"ec": "ec_paramgen_curve:P-256", "rsa": "rsa_keygen_bits:2048"}[kind]
    subprocess.run(["openssl", "req", "-x509", "-newkey", kind, "-pkeyopt", options, "-nodes",
                    "-days", "3650", "-subj", "/CN=ftp.any-domain.com", "-keyout", path, "-out", f"{path}.cert"],
                   check=True, capture_output=True)
    with open(path, "ab") as pem:
        pem.write(Path(f"{path}.cert").read_bytes())
    path.chmod(0o600)
    return path


def dnsmasq(network, name):
    """Answers for one name; the rest is unknown."""
    network.start("s", "dnsmasq", "-k", "--no-resolv", "--no-hosts", f"--listen-address={RESOLVER}",
                  "--bind-interfaces", f"--host-record={name},{SERVER4},{SERVER6}", "--pid-file=", "--user=root",
                  "--conf-file=/dev/null")
    network.wait_for_port(53, kind="udp")


def vsftpd(network, port=21, **settings):
    """vsftpd for the account and for anonymous users."""
    settings = {"listen": "NO", "listen_ipv6": "YES", "background": "NO", "listen_port": port,
                "anonymous_enable": "YES", "anon_root": network.public, "local_enable": "YES",
                "write_enable": "YES", "chroot_local_user": "YES", "allow_writeable_chroot": "YES",
                "connect_from_port_20": "YES", "seccomp_sandbox": "NO", "pam_service_name": "vsftpd",
                "secure_chroot_dir": network.folder, "local_umask": "022",
                "pasv_min_port": 50000, "pasv_max_port": 50099, **settings}
    path = network.folder / "vsftpd.conf"
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    network.start("s", "/usr/sbin/vsftpd", path, env=ENVIRONMENT)
    network.wait_for_port(port)


def pure_ftpd(network, port=21, *options):
    """pure-ftpd for the account; its anonymous root is the home of the user ftp."""
    network.start("s", CACHE / "usr/sbin/pure-ftpd", "-S", str(port), "-l", "unix", "-A", "-H", "-p", "50000:50099",
                  "-g", network.folder / "pure-ftpd.pid", *options, env=ENVIRONMENT)
    network.wait_for_port(port)


def proftpd(network, port=21, *directives):
    """proftpd for the account."""
    lines = ['ServerName "Lab"', "ServerType standalone", f"Port {port}", "UseIPv6 on", "DefaultServer on",
             "User nobody", "Group nogroup", "DefaultRoot ~", "AuthOrder mod_auth_unix.c", "RequireValidShell off",
             "AuthPAM off", "UseReverseDNS off", "WtmpLog off", "PassivePorts 50000 50099", "AllowOverwrite on",
             "AllowStoreRestart on", "AllowRetrieveRestart on", "TimesGMT on",
             f"PidFile {network.folder}/proftpd.pid", f"ScoreboardFile {network.folder}/proftpd.score",
             f"SystemLog {network.folder}/proftpd.system.log", "TransferLog none", *directives]
    path = network.folder / "proftpd.conf"
    path.write_text("".join(f"{line}\n" for line in lines))
    network.start("s", CACHE / "usr/sbin/proftpd", "-n", "-c", path, env=ENVIRONMENT)
    network.wait_for_port(port)


def pyftpdlib(network, port=21, *tls):
    """pyftpdlib for the account, and for anonymous users to read; `tls` as its script takes it."""
    script = Path(__file__).with_name("pyftpdlib_server.py")
    network.start("s", sys.executable, script, network.home, network.public, str(port), USER, PASSWORD, *tls,
                  env=ENVIRONMENT)
    network.wait_for_port(port)
