#!/bin/sh
# The whole program against what else is installed, in one table.
#
#   tests/bench/rivals.sh HAYSTACK.pcap BULK.pcap MANY.pcap [ROUNDS]
#
# HAYSTACK: little FTP in much other traffic. BULK: large downloads. MANY: many short sessions.
# Every round runs each program once, so that all of them meet the same machine; the round with the least wall time
# counts. A ratio is a program's wall time over that of the first line of its group. Needs GNU time, and
# target/release/ftpscope (or FTPSCOPE=...).
set -eu

[ $# -ge 3 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
haystack=$1 bulk=$2 many=$3 rounds=${4:-5}
ftpscope=${FTPSCOPE:-target/release/ftpscope}
scratch=$(mktemp -d "$([ -d /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")/rivals.XXXXXX")
trap 'rm -rf "$scratch"' EXIT INT TERM
out=$scratch/out times=$scratch/times

# measure NAME COMMAND...: one line "name wall cpu kilobytes"; nothing where the command is missing.
measure() {
    name=$1; shift
    command -v "$1" >/dev/null 2>&1 || return 0
    rm -rf "$out"; mkdir "$out"
    if command time -f '%e %U %S %M' -o "$scratch/time" "$@" >/dev/null 2>&1; then
        awk -v name="$name" '{ printf "%s %s %.2f %s\n", name, $1, $2 + $3, $4 }' "$scratch/time" >>"$times"
    fi
}

# group TITLE: the best of each program, against the first.
group() {
    awk -v title="$1" '
        !($1 in wall) { order[++count] = $1 }
        !($1 in wall) || $2 < wall[$1] { wall[$1] = $2; cpu[$1] = $3; memory[$1] = $4 }
        END {
            printf "\n| %s | wall s | ratio | CPU s | ratio | MB |\n| --- | --- | --- | --- | --- | --- |\n", title
            base = wall[order[1]] > 0 ? wall[order[1]] : 0.01
            work = cpu[order[1]] > 0 ? cpu[order[1]] : 0.01
            for (i = 1; i <= count; i++) {
                n = order[i]
                printf "| %s | %.2f | %.2f | %.2f | %.2f | %.0f |\n", n, wall[n], wall[n] / base, cpu[n], cpu[n] / work, memory[n] / 1024
            }
        }' "$times"
    rm -f "$times"
}

cat "$haystack" "$bulk" "$many" >/dev/null   # into the page cache

for _ in $(seq "$rounds"); do
    measure tcpdump tcpdump -r "$haystack" -w /dev/null
    measure ftpscope "$ftpscope" analyze --no-progress --format ndjson "$haystack"
    measure tshark tshark -r "$haystack" -q -z follow,tcp,raw,999999
    measure suricata suricata -r "$haystack" -l "$out"
    measure tcpflow tcpflow -r "$haystack" -o "$out" port 21 or port 20
done
group haystack

for _ in $(seq "$rounds"); do
    measure openssl openssl dgst -sha256 "$bulk"
    measure ftpscope "$ftpscope" analyze --no-progress --format ndjson "$bulk"
    measure ftpscope-x "$ftpscope" analyze --no-progress --format ndjson -x "$out/files" "$bulk"
    measure tshark tshark -r "$bulk" -q --export-objects "ftp-data,$out"
    measure suricata suricata -r "$bulk" -l "$out"
    measure tcpflow tcpflow -r "$bulk" -o "$out"
done
group bulk

for _ in $(seq "$rounds"); do
    measure tcpdump tcpdump -r "$many" -w /dev/null
    for format in ndjson json table; do
        measure "ftpscope-$format" "$ftpscope" analyze --no-progress --format "$format" "$many"
    done
    measure tshark tshark -r "$many" -Y ftp -T fields -e ftp.request.command
    measure suricata suricata -r "$many" -l "$out"
    measure tcpflow tcpflow -r "$many" -o "$out"
done
group many
