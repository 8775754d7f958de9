"""Two hosts and a switch between them: network namespaces with loss, firewalls and a tap.

    client eth0 ---- c [ switch ] s ---- eth0 server

Each is named by a letter: `c`, `s`, and `w` for the switch. What gets lost before the tap gets lost in the switch: a
host whose own packet filter drops what it sends is told, and its TCP sends again as if nothing had been.

The client is 192.168.0.2 (fd00:21::2), the server 192.168.0.21 (fd00:21::21) and, for its name server, 192.168.0.1.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

CLIENT4, SERVER4, RESOLVER = "192.168.0.2", "192.168.0.21", "192.168.0.1"
CLIENT6, SERVER6 = "fd00:21::2", "fd00:21::21"
HARDWARE = {"c": "02:46:54:50:00:02", "s": "02:46:54:50:00:21"}


class Network:
    """Exists between `with` and its end; then every process in the namespaces is gone, and they are."""

    def __init__(self, offload=False):
        """With `offload`, frames are as large as the kernel hands them over, up to 64 KiB."""
        self.names = {side: f"ftpscope-{os.getpid()}-{side}" for side in "csw"}
        self.offload = offload
        self.rules = 0

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ftpscope-lab-"))
        self.folder.chmod(0o755)
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in self.names.values():
            pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout.split()
            for pid in map(int, pids):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL)
            shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def overlay(self, side, name, text, mode=0o644):
        """`text` is what processes of a side see as /etc/NAME."""
        folder = Path("/etc/netns") / self.names[side]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_text(text)
        path.chmod(mode)

    def run(self, side, *command, check=True, timeout=90, **options):
        """Runs a command on a side to its end."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, **options}
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self._on(side, command), check=check, timeout=timeout, **options)

    def start(self, side, *command, **options):
        """Starts a process that lives as long as the network, or until it is ended."""
        log = open(self.folder / f"{Path(command[0]).name}.log", "ab")
        return subprocess.Popen(self._on(side, command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)

    def wait_for_port(self, port, side="s", kind="tcp"):
        """Until something listens on a port, seen without a packet."""
        ask = ["ss", "-Hln", f"--{kind}", f"sport = :{port}"]
        self.wait_for(f"port {port}", lambda: self.run(side, *ask).stdout.strip())

    def wait_for(self, what, is_there):
        """Polls until a condition holds."""
        for _ in range(100):
            if is_there():
                return
            time.sleep(0.1)
        logs = "\n".join(log.read_text(errors="replace") for log in self.folder.glob("*.log"))
        raise RuntimeError(f"{what} did not come up\n{logs}")

    @contextmanager
    def tap(self, path, interface="eth0", side="c", snap=0):
        """Records while it lasts."""
        command = ["tcpdump", "-i", interface, "-U", "-B", "65536", "-Z", "root", "-w", str(path), "-s", str(snap)]
        # Neighbour discovery, router solicitation and multicast reports say nothing about FTP.
        process = self.start(side, *command, "tcp or udp or icmp")
        self.wait_for("the tap", lambda: "listening on" in (self.folder / "tcpdump.log").read_text())
        time.sleep(0.3)
        try:
            yield
            # The kernel hands packets over in blocks, a second late at most.
            time.sleep(1.3)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)

    def lose(self, percent, side, where):
        """Packets to `side` get lost: `before` the tap there sees them, or `after` it."""
        rule = f"numgen random mod 100 < {percent} drop"
        if where == "after":
            self.rule(side, "{ type filter hook input priority 0; }", rule)
        else:
            sender = "s" if side == "c" else "c"
            self.rule("w", f"{{ type filter hook ingress device {sender} priority 0; }}", rule, family="netdev")

    def block(self, side, match):
        """A firewall at `side` drops incoming packets that match."""
        self.rule(side, "{ type filter hook input priority 0; }", f"{match} drop")

    def rule(self, side, hook, rule, family="inet"):
        """Adds one packet filter rule in a chain of its own."""
        self.rules += 1
        chain = f"c{self.rules}"
        script = f"add table {family} lab\nadd chain {family} lab {chain} {hook}\nadd rule {family} lab {chain} {rule}\n"
        self.run(side, "nft", "-f", "-", input=script)

    def _on(self, side, command):
        return ["ip", "netns", "exec", self.names[side], *map(str, command)]

    def _build(self):
        for name in self.names.values():
            call("ip", "netns", "add", name)
        self.run("w", "sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1")
        self.run("w", "ip", "link", "add", "switch", "up", "type", "bridge", "mcast_snooping", "0")
        for side in "cs":
            call("ip", "link", "add", "eth0", "netns", self.names[side], "address", HARDWARE[side],
                 "type", "veth", "peer", "name", side, "netns", self.names["w"])
            self.run("w", "ip", "link", "set", side, "up", "master", "switch")
        addresses = {"c": [f"{CLIENT4}/24", f"{CLIENT6}/64"],
                     "s": [f"{SERVER4}/24", f"{RESOLVER}/24", f"{SERVER6}/64"]}
        for side in "cs":
            self.run(side, "ip", "link", "set", "lo", "up")
            self.run(side, "ip", "link", "set", "eth0", "up")
            for address in addresses[side]:
                nodad = ["nodad"] if ":" in address else []
                self.run(side, "ip", "address", "add", address, "dev", "eth0", *nodad)
            if not self.offload:
                self.run(side, "ethtool", "-K", "eth0", "tso", "off", "gso", "off", "gro", "off", "tx", "off")
            self.overlay(side, "resolv.conf", f"nameserver {RESOLVER}\n")


def call(*command):
    """Runs a command on the host."""
    subprocess.run(command, check=True)
