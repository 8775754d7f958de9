"""A pyftpdlib server. usage: pyftpdlib_server.py HOME PUBLIC PORT USER PASSWORD"""

import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

home, public, port, user, password = sys.argv[1:]
authorizer = DummyAuthorizer()
authorizer.add_user(user, password, home, perm="elradfmwMT")
authorizer.add_anonymous(public)
FTPHandler.authorizer = authorizer
FTPHandler.passive_ports = range(50000, 50100)
FTPHandler.active_dtp.timeout = 5
FTPServer(("::", int(port)), FTPHandler).serve_forever()
