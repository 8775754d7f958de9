"""What is recorded: one function a capture, named like it (`classic_real` makes classic-real.pcap).

A scene gets a network with the account made and no server yet, and the path to record to.
"""

import shutil
import subprocess
import sys

import content
import servers
from network import SERVER4, SERVER6
from servers import PASSWORD, UID, USER

ACCOUNT = f"{USER}:{PASSWORD}"
NAME = "ftp.any-domain.com"


def classic_real(network, path):
    """The classic session with real programs: dnsmasq, vsftpd, tnftp; `dir`, `cd pub`, `get readme.txt`, `bye`"""
    content.put(network.public / "pub/readme.txt", content.text(1715))
    servers.dnsmasq(network, NAME)
    servers.vsftpd(network, ascii_download_enable="YES", ftpd_banner="ANY-DOMAIN.COM FTP Service")
    with network.tap(path):
        tnftp(network, NAME, "ftp", "abc@any-domain.com", "dir", "cd pub", "ascii", "get readme.txt")


def passive_lftp(network, path):
    """lftp reads a listing and a file from vsftpd in passive mode"""
    content.put(network.home / "pub/data.bin", content.noise(12_000), UID)
    servers.vsftpd(network)
    with network.tap(path):
        lftp(network, f"ftp://{SERVER4}", "set ftp:use-feat no; set ftp:prefer-epsv no", "cls -l pub", "get pub/data.bin")


def ipv6_epsv(network, path):
    """curl reads a file from vsftpd over IPv6, extended passive mode"""
    content.put(network.home / "data.bin", content.noise(12_000), UID)
    servers.vsftpd(network)
    with network.tap(path):
        curl(network, f"ftp://[{SERVER6}]/data.bin")


def upload(network, path):
    """curl makes a folder on vsftpd and stores a file in it, then ncftpput stores another; two sessions"""
    first = content.put(network.folder / "report.bin", content.noise(9_000, 2))
    second = content.put(network.folder / "notes.txt", content.text(900))
    servers.vsftpd(network)
    with network.tap(path):
        curl(network, f"ftp://{SERVER4}/incoming/", "--ftp-create-dirs", "-T", first)
        network.run("c", "ncftpput", "-u", USER, "-p", PASSWORD, SERVER4, "incoming", second)


def failed_login(network, path):
    """Two logins with a wrong password and a third with the right one, in three sessions; curl and vsftpd"""
    servers.vsftpd(network, delay_failed_login=0)
    with network.tap(path):
        for password in ("hazel-lanterm", "lantern-hazel", PASSWORD):
            curl(network, f"ftp://{SERVER4}/", "-u", f"{USER}:{password}", "--list-only", check=False)


def loss(network, path):
    """5 % of the server's packets are lost before the tap and 5 % after it; curl reads 200,000 bytes"""
    content.put(network.home / "data.bin", content.noise(200_000), UID)
    servers.vsftpd(network)
    network.lose(5, "c", "before")
    network.lose(5, "c", "after")
    with network.tap(path):
        curl(network, f"ftp://{SERVER4}/data.bin")


def pureftpd_curl(network, path):
    """curl reads a file from pure-ftpd, extended passive mode, then takes it up again at byte 5,000"""
    content.put(network.home / "data.bin", content.noise(12_000), UID)
    servers.pure_ftpd(network)
    with network.tap(path):
        curl(network, f"ftp://{SERVER4}/data.bin")
        curl(network, f"ftp://{SERVER4}/data.bin", "-C", "5000")


def proftpd_lftp(network, path):
    """lftp reads an MLSD listing and two files from proftpd, with pipelined commands"""
    content.put(network.home / "pub/one.bin", content.noise(6_000, 1), UID)
    content.put(network.home / "pub/two.bin", content.noise(7_000, 2), UID)
    servers.proftpd(network)
    with network.tap(path):
        lftp(network, f"ftp://{SERVER4}", "set ftp:sync-mode no", "cls -l pub", "mget pub/*.bin")


def pyftpdlib_ftplib(network, path):
    """Python's ftplib and pyftpdlib: MLSD, STOR, STOU, APPE, rename, delete"""
    content.put(network.home / "data.bin", content.noise(8_000), UID)
    servers.pyftpdlib(network)
    with network.tap(path):
        ftplib(network, """
            ftp.cwd("/")
            list(ftp.mlsd())
            ftp.storbinary("STOR new.txt", io.BytesIO(b"first line\\n"))
            ftp.storbinary("APPE new.txt", io.BytesIO(b"second line\\n"))
            ftp.storbinary("STOU", io.BytesIO(b"named by the server\\n"))
            ftp.rename("new.txt", "renamed.txt")
            ftp.delete("renamed.txt")
            ftp.retrbinary("RETR data.bin", bytes)
            ftp.quit()
        """)


def ftps_explicit(network, path):
    """AUTH TLS with pure-ftpd: curl reads a file in passive mode, lftp stores one in active mode; two sessions"""
    content.put(network.home / "data.bin", content.noise(9_000), UID)
    report = content.put(network.folder / "report.bin", content.noise(700, 2))
    servers.pure_ftpd(network, 21, "-Y", "1", "-2", servers.certificate(network))
    with network.tap(path):
        curl(network, f"ftp://{SERVER4}/data.bin", "-k", "--ssl-reqd")
        lftp(network, f"ftp://{SERVER4}",
             "set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set ssl:verify-certificate no; set ftp:passive-mode no",
             f"put {report}")


def ftps_ccc(network, path):
    """AUTH TLS, login, PROT P and CCC with pure-ftpd and ftplib: commands in clear, data encrypted"""
    content.put(network.home / "data.bin", content.noise(3_000), UID)
    servers.pure_ftpd(network, 21, "-Y", "1", "-2", servers.certificate(network))
    with network.tap(path):
        ftplib(network, """
            ftp.prot_p()
            ftp.ccc()
            ftp.pwd()
            ftp.retrbinary("RETR data.bin", bytes)
            ftp.quit()
        """, kind="FTP_TLS")


def ftps_implicit(network, path):
    """Implicit TLS on port 990 with vsftpd: curl reads a listing and a file over one control connection"""
    content.put(network.home / "data.bin", content.noise(9_000), UID)
    pem = servers.certificate(network)
    servers.vsftpd(network, 990, ssl_enable="YES", implicit_ssl="YES", rsa_cert_file=pem, rsa_private_key_file=pem)
    with network.tap(path):
        curl(network, f"ftps://{SERVER4}/", "-k", f"ftps://{SERVER4}/data.bin")


def blocked_active(network, path):
    """The client's firewall drops what comes from port 20: the data connection of active mode never opens"""
    content.put(network.home / "data.bin", content.noise(2_000), UID)
    servers.vsftpd(network, connect_timeout=4)
    network.block("c", "tcp sport 20")
    with network.tap(path):
        curl(network, f"ftp://{SERVER4}/data.bin", "-P", "-", "--disable-eprt", check=False)


def blocked_passive(network, path):
    """The server's firewall drops connections to its passive ports: the client tries in vain"""
    content.put(network.home / "data.bin", content.noise(2_000), UID)
    servers.vsftpd(network, accept_timeout=6)
    network.block("s", "tcp dport 50000-50099")
    with network.tap(path):
        lftp(network, f"ftp://{SERVER4}",
             "set net:timeout 4; set net:max-retries 1; set ftp:prefer-epsv no; set ftp:use-feat no",
             "get data.bin", check=False)


def any_interface(network, path):
    """curl reads a file, recorded on all interfaces at once: link type Linux cooked v2"""
    content.put(network.home / "data.bin", content.noise(12_000), UID)
    servers.vsftpd(network)
    with network.tap(path, interface="any"):
        curl(network, f"ftp://{SERVER4}/data.bin", "-P", "-")


def classic_real_ng(network, path):
    """classic-real.pcap as pcapng"""
    convert(path, "pcapng")


def passive_lftp_gz(network, path):
    """passive-lftp.pcap, compressed"""
    original = path.with_name("passive-lftp.pcap")
    with open(path, "wb") as packed:
        subprocess.run(["gzip", "-9nc", original], check=True, stdout=packed)


def convert(path, kind):
    """The capture of the same name in another format."""
    subprocess.run(["editcap", "-F", kind, path.with_suffix(".pcap"), path], check=True)


def tnftp(network, host, user, password, *lines):
    """A dialogue in active mode, typed in full."""
    typed = ["epsv4 off", f"user {user} {password}", *lines, "bye"]
    return network.run("c", "tnftp", "-4", "-A", "-n", "-v", host, input="\n".join(typed) + "\n", cwd=scratch(network))


def curl(network, url, *options, check=True):
    """One transfer by curl, as the account where nothing else is said."""
    if "-u" not in options:
        options = ("-u", ACCOUNT, *options)
    return network.run("c", "curl", "-sS", "-m", "60", "-o", "/dev/null", *options, url, check=check)


def lftp(network, url, settings, *lines, check=True):
    """lftp as the account; `settings` go before the connection is made."""
    script = "; ".join([settings, f"open -u {USER},{PASSWORD} {url}", *lines, "bye"])
    return network.run("c", "lftp", "--norc", "-c", script, cwd=scratch(network), check=check)


def ftplib(network, script, port=21, host=SERVER4, user=USER, password=PASSWORD, kind="FTP"):
    """Python's ftplib, logged in; `script` says what `ftp` does."""
    lines = ["import ftplib, io", f"ftp = ftplib.{kind}()", "ftp.set_debuglevel(1)", f"ftp.connect({host!r}, {port})",
             f"ftp.login({user!r}, {password!r})", *(line.strip() for line in script.strip().splitlines())]
    return network.run("c", sys.executable, "-c", "\n".join(lines), cwd=scratch(network))


def scratch(network):
    """An empty folder for what clients write."""
    folder = network.folder / "scratch"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


SCENES = {
    "classic-real.pcap": classic_real,
    "classic-real.pcapng": classic_real_ng,
    "passive-lftp.pcap": passive_lftp,
    "passive-lftp.pcap.gz": passive_lftp_gz,
    "ipv6-epsv.pcap": ipv6_epsv,
    "upload.pcap": upload,
    "failed-login.pcap": failed_login,
    "loss.pcap": loss,
    "pureftpd-curl.pcap": pureftpd_curl,
    "proftpd-lftp.pcap": proftpd_lftp,
    "pyftpdlib-ftplib.pcap": pyftpdlib_ftplib,
    "ftps-explicit.pcap": ftps_explicit,
    "ftps-ccc.pcap": ftps_ccc,
    "ftps-implicit.pcap": ftps_implicit,
    "blocked-active.pcap": blocked_active,
    "blocked-passive.pcap": blocked_passive,
    "any-interface.pcap": any_interface,
}
