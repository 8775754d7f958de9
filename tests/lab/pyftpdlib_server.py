"""A pyftpdlib server. usage: pyftpdlib_server.py HOME PUBLIC PORT USER PASSWORD [PEM [CIPHERS [implicit]]]

With PEM, a file of key and certificate, it also speaks TLS.
"""

import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

home, public, port, user, password, *tls = sys.argv[1:]
authorizer = DummyAuthorizer()
authorizer.add_user(user, password, home, perm="elradfmwMT")
authorizer.add_anonymous(public)
handler = FTPHandler
if tls:
    from pyftpdlib.handlers import TLS_FTPHandler

    class handler(TLS_FTPHandler):
        """Speaks TLS from the first byte where that is asked for."""

        def handle(self):
            if tls[2:]:
                self.secure_connection(self.ssl_context)
            super().handle()

    handler.certfile = tls[0]
    context = handler.get_ssl_context()
    context.set_session_id(b"lab")
    if tls[1:]:
        context.set_cipher_list(tls[1].encode())
handler.authorizer = authorizer
handler.passive_ports = range(50000, 50100)
handler.active_dtp.timeout = 5
FTPServer(("::", int(port)), handler).serve_forever()
