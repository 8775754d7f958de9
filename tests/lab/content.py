"""File contents that are the same on every run."""

import os
import random

MODIFIED = 1_767_571_200  # 2026-01-05 00:00:00 UTC


def text(size):
    """Lines of text, ended by LF, `size` bytes in all."""
    lines = "".join(f"{number:>4}. This line is here so that the file has something in it.\n"
                    for number in range(1, size // 60 + 2)).encode()
    return lines[:size - 1] + b"\n"


def noise(size, seed=1):
    """Bytes without a pattern."""
    return random.Random(seed).randbytes(size)


def put(path, data, owner=0):
    """Writes a file with a fixed time, so that listings do not change between runs; gives its path."""
    folder = path.parent
    if not folder.exists():
        folder.mkdir(parents=True)
        os.chown(folder, owner, owner)
    path.write_bytes(data)
    os.chown(path, owner, owner)
    for touched in (path, folder):
        os.utime(touched, (MODIFIED, MODIFIED))
    return path
