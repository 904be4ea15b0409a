# SPDX-License-Identifier: MIT
"""Prints, as JSON, on what the results were measured: machine, versions, commit.

    /usr/bin/python3 bench/machine_card.py TREE COMMAND ROCKSDB
"""
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

PACKAGES = ["librocksdb-dev", "redis-server", "webdis", "etcd-server", "postgresql", "nginx-light", "python3-fastapi",
            "python3-uvicorn", "python3-redis", "wrk"]


def output(*words):
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "not known"


def processor():
    with open("/proc/cpuinfo") as info:
        return next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), "not known")


def memory():
    with open("/proc/meminfo") as info:
        return f"{int(next(info).split()[1]) / 2**20:.0f} GiB"


def sync_time(folder):
    """What writing 4 KiB and fdatasync takes, the median of two hundred."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(200):
            begin = time.perf_counter()
            os.write(file.fileno(), bytes(4096))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begin)
    return f"{statistics.median(times) * 1e6:.0f} µs (slowest {max(times) * 1e3:.1f} ms)"


def main(tree, command, rocksdb):
    folder = os.environ.get("TMPDIR") or "/var/tmp"
    changed = "" if output("git", "-C", tree, "status", "--porcelain", "--", "engine", "server") == "" else ", changed"
    card = {
        "command": command,
        "date": datetime.date.today().isoformat(),
        "commit": output("git", "-C", tree, "rev-parse", "--short", "HEAD") + changed,
        "rocksdb": rocksdb,
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "memory": memory(),
        "system": f"{output('sh', '-c', '. /etc/os-release && echo $PRETTY_NAME')}, Linux {platform.release()}",
        "disk": output("findmnt", "-no", "FSTYPE,OPTIONS", "-T", folder),
        "write and fdatasync of 4 KiB": sync_time(folder),
        "compiler": output("c++", "--version").split("\n")[0],
        "python": output("/usr/bin/python3", "--version"),
        "node": output("node", "--version"),
        "packages": ", ".join(f"{name} {output('dpkg-query', '-W', '-f', '${Version}', name)}" for name in PACKAGES),
    }
    json.dump(card, sys.stdout, indent=1, ensure_ascii=False)


main(*sys.argv[1:])
