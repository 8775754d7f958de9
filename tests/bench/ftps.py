#!/usr/bin/env python3
"""Captures of FTPS downloads and of the same downloads in clear, with exact truth. Deterministic.

usage: ftps.py KIND OUT.pcap SIZE
  clear      SIZE MB of FTP downloads in passive mode, 100 MB files, MTU 1500, an ACK for every two segments
  aes128     the same over TLS 1.3 with AES-128-GCM, control and data
  aes256     ... with AES-256-GCM
  chacha20   ... with ChaCha20-Poly1305

Writes OUT.pcap, OUT.keys (a key log) and OUT.truth.json {sessions, transfers, bytes, sha256 of each file}. Measure in pairs:

  for kind in clear aes128 chacha20; do tests/bench/ftps.py $kind /dev/shm/$kind.pcap 1000; done
  ftpscope analyze -x OUT /dev/shm/clear.pcap
  ftpscope analyze -x OUT --keylog /dev/shm/aes128.keys /dev/shm/aes128.pcap

The hellos are real as far as readers look at them; the rest of the handshake is one Finished of each end. Needs the Python
package cryptography.
"""

import hashlib
import hmac
import json
import random
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

RANDOM = random.Random(4)
ETHERNET = bytes.fromhex("020000000001020000000002") + b"\x08\x00"
SYN, FIN, ACK, PSH = 2, 1, 16, 8
SEGMENT = 1460
RECORD = 16384
FILE = 100_000_000

# Number of the suite, hash, length of the key, cipher.
SUITES = {
    "aes128": (0x1301, "sha256", 16, AESGCM),
    "aes256": (0x1302, "sha384", 32, AESGCM),
    "chacha20": (0x1303, "sha256", 32, ChaCha20Poly1305),
}


class Capture:
    """Capture file."""

    def __init__(self, path):
        self.file = open(path, "wb", buffering=1 << 22)
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        self.time, self.packets = 1_700_000_000_000_000, 0

    def packet(self, frame):
        self.time += 1
        self.packets += 1
        self.file.write(struct.pack("<IIII", self.time // 1_000_000, self.time % 1_000_000, len(frame), len(frame)) + frame)


class Connection:
    """TCP connection, whose segments go to a capture. Checksums of TCP are left to the network card."""

    def __init__(self, capture, client, server):
        self.capture, self.ends = capture, [client, server]
        self.sequence = [RANDOM.getrandbits(32), RANDOM.getrandbits(32)]
        self.send(0, SYN)
        self.send(1, SYN | ACK)
        self.send(0, ACK)

    def send(self, end, flags, data=b""):
        (source, port), (target, to) = self.ends[end], self.ends[1 - end]
        header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(data), 0, 0x4000, 64, 6, 0, source, target)
        total = sum(struct.unpack(">10H", header))
        total = (total & 0xFFFF) + (total >> 16)
        header = header[:10] + struct.pack(">H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + header[12:]
        acknowledged = self.sequence[1 - end] if flags & ACK else 0
        tcp = struct.pack(">HHIIBBHHH", port, to, self.sequence[end], acknowledged, 0x50, flags, 64240, 0, 0)
        self.capture.packet(ETHERNET + header + tcp + data)
        self.sequence[end] = (self.sequence[end] + len(data) + bool(flags & (SYN | FIN))) & 0xFFFFFFFF

    def say(self, end, data):
        for number, start in enumerate(range(0, len(data), SEGMENT)):
            self.send(end, ACK, data[start:start + SEGMENT])
            if number & 1:
                self.send(1 - end, ACK)

    def close(self, end):
        self.send(end, FIN | ACK)
        self.send(1 - end, FIN | ACK)
        self.send(end, ACK)


def expand_label(hash_name, secret, label, length):
    """HKDF-Expand-Label without context (RFC 8446 section 7.1)."""
    label = b"tls13 " + label
    info = struct.pack(">HB", length, len(label)) + label + b"\0"
    output, block, number = b"", b"", 1
    while len(output) < length:
        block = hmac.new(secret, block + info + bytes([number]), hash_name).digest()
        output, number = output + block, number + 1
    return output[:length]


class Sender:
    """Records of one end under one traffic secret."""

    def __init__(self, suite, secret):
        _, hash_name, length, cipher = suite
        self.cipher = cipher(expand_label(hash_name, secret, b"key", length))
        self.iv = int.from_bytes(expand_label(hash_name, secret, b"iv", 12), "big")
        self.number = 0

    def records(self, data, kind=23):
        sealed = []
        for start in range(0, len(data), RECORD):
            content = data[start:start + RECORD] + bytes([kind])
            header = struct.pack(">BHH", 23, 0x0303, len(content) + 16)
            nonce = (self.iv ^ self.number).to_bytes(12, "big")
            sealed.append(header + self.cipher.encrypt(nonce, content, header))
            self.number += 1
        return b"".join(sealed)


class Tls:
    """TLS 1.3 on a connection: says hello, and seals what each end says."""

    def __init__(self, connection, suite, keys):
        number, hash_name, _, _ = suite
        self.connection = connection
        size = hashlib.new(hash_name).digest_size
        client, server = RANDOM.randbytes(32), RANDOM.randbytes(32)
        versions = b"\0\x2b\0\x03\x02\x03\x04"
        hello = b"\x03\x03" + client + b"\0" + struct.pack(">HH", 2, number) + b"\x01\0" + struct.pack(">H", len(versions)) + versions
        connection.say(0, self.clear(1, hello))
        version = b"\0\x2b\0\x02\x03\x04"
        hello = b"\x03\x03" + server + b"\0" + struct.pack(">HB", number, 0) + struct.pack(">H", len(version)) + version
        senders = {}
        for label in ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"):
            secret = RANDOM.randbytes(size)
            keys.write(f"{label} {client.hex()} {secret.hex()}\n")
            senders[label] = Sender(suite, secret)
        handshake = [senders["CLIENT_HANDSHAKE_TRAFFIC_SECRET"], senders["SERVER_HANDSHAKE_TRAFFIC_SECRET"]]
        finished = struct.pack(">I", 20 << 24 | size)
        connection.say(1, self.clear(2, hello) + handshake[1].records(b"\x08\0\0\x02\0\0" + finished + RANDOM.randbytes(size), 22))
        connection.say(0, handshake[0].records(finished + RANDOM.randbytes(size), 22))
        self.senders = [senders["CLIENT_TRAFFIC_SECRET_0"], senders["SERVER_TRAFFIC_SECRET_0"]]

    @staticmethod
    def clear(kind, body):
        message = struct.pack(">I", kind << 24 | len(body)) + body
        return struct.pack(">BHH", 22, 0x0301, len(message)) + message

    def say(self, end, data):
        self.connection.say(end, self.senders[end].records(data))

    def close(self, end):
        for one in (end, 1 - end):
            self.connection.say(one, self.senders[one].records(b"\x01\0", 21))
        self.connection.close(end)


def session(capture, keys, number, blob, suite):
    client, server = bytes((10, 1, number >> 8, number & 255)), bytes((172, 16, 0, 21))
    control = Connection(capture, (client, 10_000 + number), (server, 21))
    control.say(1, b"220 FTP Service\r\n")
    talk = control
    if suite:
        control.say(0, b"AUTH TLS\r\n")
        control.say(1, b"234 Proceed\r\n")
        talk = Tls(control, suite, keys)
    lines = [("USER ftp", "331 Password please"), ("PASS a@example.com", "230 Logged in")]
    lines += [("PBSZ 0", "200 Done"), ("PROT P", "200 Done")] if suite else []
    port = 20_000 + number
    lines += [("TYPE I", "200 Binary"), ("PASV", f"227 Entering Passive Mode (172,16,0,21,{port >> 8},{port & 255}).")]
    for command, reply in lines:
        talk.say(0, f"{command}\r\n".encode())
        talk.say(1, f"{reply}\r\n".encode())
    name = f"big{number}.bin"
    talk.say(0, f"RETR {name}\r\n".encode())
    data = Connection(capture, (client, 30_000 + number), (server, port))
    talk.say(1, f"150 Opening BINARY mode data connection for {name} ({len(blob)} bytes).\r\n".encode())
    carrier = Tls(data, suite, keys) if suite else data
    carrier.say(1, blob)
    carrier.close(1)
    talk.say(1, b"226 Transfer complete.\r\n")
    talk.say(0, b"QUIT\r\n")
    talk.say(1, b"221 Goodbye.\r\n")
    talk.close(1)
    return name, hashlib.sha256(blob).hexdigest()


def main(arguments):
    if len(arguments) != 3 or arguments[0] not in ("clear", *SUITES):
        sys.exit(__doc__)
    kind, path, size = arguments[0], arguments[1], int(arguments[2]) * 1_000_000
    capture, files = Capture(path), {}
    base = RANDOM.randbytes(1_000_000)
    stem = path.rsplit(".", 1)[0]
    with open(f"{stem}.keys", "w") as keys:
        for number in range(max(1, size // FILE)):
            length = min(FILE, size)
            blob = (number.to_bytes(8, "big") + (base * (length // len(base) + 1))[8:])[:length]
            name, digest = session(capture, keys, number, blob, SUITES.get(kind))
            files[name] = digest
    capture.file.close()
    truth = {"kind": kind, "sessions": len(files), "transfers": len(files), "payload_bytes": len(files) * min(FILE, size), "packets": capture.packets, "sha256": files}
    with open(f"{stem}.truth.json", "w") as file:
        json.dump(truth, file, indent=1)
    print(json.dumps({key: value for key, value in truth.items() if key != "sha256"}))


if __name__ == "__main__":
    main(sys.argv[1:])
