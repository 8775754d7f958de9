# What tests of artefacts share. Sourced by .ci/package/test in the root of the project.

chroots=$PWD/target/release-work/chroots
version=$(sed -n '0,/^version = "\(.*\)"$/s//\1/p' Cargo.toml)
capture=testdata/captures/classic.pcap

die() {
    echo "package/test: $*" >&2
    exit 1
}

# Fails unless standard input has the text: ... | expect TEXT. Prints the line that has it.
expect() {
    local input
    input=$(cat)
    grep -F -m1 -- "$1" <<<"$input" || die "no '$1' in: $input"
}

# Makes a system of a Debian release in which nothing of ours is, and sets `fresh` to it: make_fresh bookworm
make_fresh() {
    local base=$chroots/$1
    if [ ! -f "$base.done" ]; then
        rm -rf "$base"
        mkdir -p "$chroots"
        # The mirror that apt uses here; without one, the default of debootstrap.
        local mirror
        mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m1 '/debian/$' || true)
        debootstrap --variant=minbase "$1" "$base" ${mirror:+"$mirror"} >"$base.log" 2>&1 || die "see $base.log"
        touch "$base.done"
    fi
    fresh=$chroots/fresh
    rm -rf --one-file-system "$fresh"
    cp -a "$base" "$fresh"
}

# Runs a command in the fresh system, with nothing of the environment: within COMMAND...
within() {
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND="${DEBIAN_FRONTEND:-noninteractive}" chroot "$fresh" "$@"
}

# Captures an FTP session on loopback with a command and prints its events: live_session COMMAND...
# In a network namespace of its own, so that other traffic of the machine does not disturb.
live_session() {
    local log
    log=$(mktemp)
    unshare --net --mount bash -c '
        ip link set lo up
        # setpriv wants it in the system that it runs in.
        if [ -n "$1" ]; then mount -t proc proc "$1/proc"; fi
        log=$2; shift 2
        "$@" >"$log" 2>"$log.err" &
        for _ in $(seq 50); do
            # The capture is open once the packet socket is there.
            if [ "$(wc -l </proc/net/packet)" -gt 1 ]; then break; fi
            sleep 0.1
        done
        sleep 0.3
        python3 .ci/package/ftp_session.py
        sleep 1
        kill -TERM %1 2>/dev/null
        wait
    ' bash "${fresh:-}" "$log" "$@" || true
    cat "$log" "$log.err"
    rm -f "$log" "$log.err"
}
