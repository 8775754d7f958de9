"""Records scenes. usage: record.py [--list] [NAME...], by way of record.sh."""

import signal
import sys
from pathlib import Path

import servers
from network import Network
from scenes import SCENES

CAPTURES = Path(__file__).resolve().parents[2] / "testdata/captures"


def main(arguments):
    if arguments == ["--list"]:
        for name, scene in SCENES.items():
            print(f"{name:24} {scene.__doc__}")
        return 0
    unknown = [name for name in arguments if name not in SCENES]
    if unknown:
        print(f"record.py: no scene is called {', '.join(unknown)}; --list names them", file=sys.stderr)
        return 2
    for ending in (signal.SIGTERM, signal.SIGHUP):
        # Leave by an exception, so that the network is taken down.
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    CAPTURES.mkdir(parents=True, exist_ok=True)
    for name in arguments or SCENES:
        path = CAPTURES / name
        with Network() as network:
            servers.accounts(network)
            SCENES[name](network, path)
        print(f"{name}: {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
