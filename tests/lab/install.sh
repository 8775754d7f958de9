#!/usr/bin/env bash
# Gets the servers and clients of the lab that are missing.
#
# pure-ftpd and proftpd exclude vsftpd as Debian packages, so they are only unpacked, below LAB_CACHE.
set -euo pipefail

packages=()
need() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || packages+=("$2"); }
need vsftpd vsftpd
need tnftp tnftp
need lftp lftp
need curl curl
need ncftpget ncftp
need wget wget
need dnsmasq dnsmasq-base
need tcpdump tcpdump
need editcap wireshark-common
need nft nftables
need ip iproute2
need ethtool ethtool
need openssl openssl
if [ ${#packages[@]} -gt 0 ]; then
  apt-get update -q
  # A package must not start its server on this host.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}"
fi
python3 -c 'import pyftpdlib' 2>/dev/null || python3 -m pip install -q pyftpdlib

mkdir -p "$LAB_CACHE"
if [ ! -e "$LAB_CACHE/usr/lib/proftpd/mod_tls.so" ] || [ ! -x "$LAB_CACHE/usr/sbin/pure-ftpd" ]; then
  downloads=$(mktemp -d)
  trap 'rm -rf "$downloads"' EXIT
  (cd "$downloads" && apt-get download -q -o APT::Sandbox::User=root pure-ftpd pure-ftpd-common proftpd-core \
    proftpd-mod-crypto \
    libhiredis0.14 libmemcached11 libmemcachedutil2 libhashkit2 libpcre2-posix3)
  for package in "$downloads"/*.deb; do
    dpkg -x "$package" "$LAB_CACHE"
  done
fi
