"""The server that is tested: pyftpdlib with one account. usage: server.py HOME PORT

SERVER_CHANGE makes it another one, as a careless commit would: `content`, `login`, `refuse`.
"""

import os
import sys
from pathlib import Path

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

home, port = Path(sys.argv[1]), int(sys.argv[2])
change = os.environ.get("SERVER_CHANGE", "")

(home / "config").mkdir(parents=True)
(home / "logs").mkdir()
interval = 50 if change == "content" else 10
(home / "config" / "device.ini").write_text(f"[device]\nname = probe\ninterval = {interval}\n")

authorizer = DummyAuthorizer()
password = "another" if change == "login" else "hazel-lantern"
authorizer.add_user("mira", password, str(home), perm="elr" if change == "refuse" else "elradfmw")
FTPHandler.authorizer = authorizer
FTPHandler.banner = "ready"
FTPServer(("127.0.0.1", port), FTPHandler).serve_forever()
