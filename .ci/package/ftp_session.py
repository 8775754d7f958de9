#!/usr/bin/env python3
"""Holds one FTP session over loopback, for tests that capture it: a server of a few commands, and ftplib as the client.

    ftp_session.py [PORT]

The client logs in as mira, downloads readme.txt (1,715 bytes) and quits.
"""

import contextlib
import ftplib
import io
import socket
import sys
import threading

CONTENT = (b"ftpscope " * 191)[:1715]


def serve(listener):
    """Answers one client: EPSV, PASV and RETR of any name, and a 200 for all else."""
    control, _ = listener.accept()
    data = None
    with control, control.makefile("r", encoding="ascii", newline="\r\n") as lines:

        def reply(text):
            control.sendall(text.encode("ascii") + b"\r\n")

        reply("220 test server")
        for line in lines:
            verb = line.split()[0].upper()
            if verb == "USER":
                reply("331 password, please")
            elif verb == "PASS":
                reply("230 logged in")
            elif verb in ("EPSV", "PASV"):
                data = socket.create_server(("127.0.0.1", 0))
                port = data.getsockname()[1]
                high, low = divmod(port, 256)
                reply(f"229 ready (|||{port}|)" if verb == "EPSV" else f"227 ready (127,0,0,1,{high},{low})")
            elif verb == "RETR" and data:
                reply(f"150 {len(CONTENT)} bytes")
                with data, data.accept()[0] as connection:
                    connection.sendall(CONTENT)
                reply("226 done")
            elif verb == "QUIT":
                reply("221 goodbye")
                return
            else:
                reply("200 ok")


def session(port=0):
    """Runs a server and a client against it, and returns what the client got."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        server = threading.Thread(target=serve, args=(listener,), daemon=True)
        server.start()
        got = io.BytesIO()
        client = ftplib.FTP()
        client.connect("127.0.0.1", listener.getsockname()[1], timeout=10)
        with contextlib.closing(client):
            client.login("mira", "hazel-lantern")
            client.retrbinary("RETR readme.txt", got.write)
            client.quit()
        server.join(10)
    return got.getvalue()


if __name__ == "__main__":
    assert session(int(sys.argv[1]) if len(sys.argv) > 1 else 0) == CONTENT
