#!/usr/bin/env bash
# Records captures in testdata/captures anew: real servers and clients in two network namespaces.
#
# usage: tests/lab/record.sh [--list] [NAME...]
#
# Without a name, all scenes are recorded. Needs root and Debian packages; what is missing is installed. Nothing is
# left behind but the captures and a folder of unpacked servers (LAB_CACHE, by default below the target folder).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
export LAB_CACHE=${LAB_CACHE:-$here/../../target/lab}

if [ "${1:-}" != --list ]; then
  [ "$(id -u)" = 0 ] || { echo "record.sh: namespaces and captures need root" >&2; exit 2; }
  "$here/install.sh"
fi
exec python3 -B "$here/record.py" "$@"
