#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what a request costs the daemon, and fails if that is more than the file `budget` beside this one allows:
instructions in user space, allocations, and look-ups of a file's status.

Callgrind counts instructions, a preloaded library the rest. A figure is the difference of two runs, one with few
requests and one with many, so that start and end of the daemon cancel out. No time is measured, so that a busy machine
changes little.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile

import peers as known

HERE = pathlib.Path(__file__).parent
BUDGET = HERE / "budget"
READ, WRITE = 2, 11
NODE = b"/local/domain/0/name\0"
VALUE = b"Domain-0"
FEW, MANY = 160, 2080
TOLERANCE = 0.03


class Workload:
    def __init__(self, name, operation, depth=1, storage="memory"):
        self.name = name
        self.operation = operation
        self.payload = NODE + (VALUE if operation == WRITE else b"")
        self.depth = depth
        self.storage = storage


WORKLOADS = [
    Workload("READ", READ), Workload("READ-x16", READ, 16),
    Workload("WRITE", WRITE), Workload("WRITE-x16", WRITE, 16),
    Workload("WRITE-TDB", WRITE, storage="tdb: {path: %s/store/tdb}")]


class Client:
    """One connection. The node that it asks for is there."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.ask(WRITE, NODE + VALUE, 1)

    def ask(self, operation, payload, depth):
        """Sends some requests at once, and takes the replies."""
        header = struct.pack("=IIII", operation, 0, 0, len(payload))
        self.socket.sendall((header + payload) * depth)
        for _ in range(depth):
            kind, _, _, length = struct.unpack("=IIII", self.take(16))
            body = self.take(length)
            if kind != operation:
                raise RuntimeError(f"operation {operation} is answered {body}")

    def take(self, count):
        data = self.socket.recv(count, socket.MSG_WAITALL)
        if len(data) != count:
            raise RuntimeError("the daemon has closed the connection")
        return data

    def run(self, workload, count):
        for _ in range(count // workload.depth):
            self.ask(workload.operation, workload.payload, workload.depth)


class Measurement:
    def __init__(self, daemon, folder):
        self.daemon = daemon
        self.folder = folder
        self.counter = folder / "libcounts.so"
        subprocess.run(["cc", "-O2", "-Wall", "-shared", "-fPIC", "-o", self.counter, HERE / "counts.c"], check=True)

    def figures(self, workload):
        """What one request of this kind costs, by the figure's name."""
        few, many = self.instructions(workload, FEW), self.instructions(workload, MANY)
        allocations, stats = self.counts(workload)
        return {
            workload.name: round((many - few) / (MANY - FEW)),
            f"{workload.name}-mallocs": round(allocations / MANY),
            f"{workload.name}-stats": round(stats / MANY)}

    def instructions(self, workload, count):
        """All that the daemon executes from its start to its end."""
        home = self.home(workload, count)
        output = home / "callgrind"
        peer = self.peer(workload, home, ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}"])
        try:
            peer.start(60)
            Client(peer.socket).run(workload, count)
        finally:
            peer.stop(60)
        return int(re.search(r"^totals: (\d+)", output.read_text(), re.MULTILINE).group(1))

    def counts(self, workload):
        """Allocations and look-ups while a daemon that has warmed up serves many requests."""
        home = self.home(workload, 0)
        file = home / "counts"
        peer = self.peer(workload, home, environment={"LD_PRELOAD": str(self.counter), "COUNTS": str(file)})
        try:
            peer.start()
            client = Client(peer.socket)
            client.run(workload, FEW)
            before = struct.unpack("=QQ", file.read_bytes())
            client.run(workload, MANY)
            after = struct.unpack("=QQ", file.read_bytes())
        finally:
            peer.stop()
        return [end - start for start, end in zip(before, after)]

    def home(self, workload, count):
        home = self.folder / f"{workload.name}-{count}"
        home.mkdir()
        return home

    def peer(self, workload, home, prefix=(), environment=()):
        storage = workload.storage.replace("%s", str(home))
        configuration = home / "configuration"
        configuration.write_text(
            "transports:\n  - unix-socket\npolicies:\n  - permissions\n  - quotas\n"
            + (f"storage:\n  {storage}\n" if ":" in storage else f"storage: {storage}\n"))
        command = [*prefix, self.daemon, "--no-fork", "--config", str(configuration)]
        return known.Peer(workload.name, home, command, environment)


class Budget:
    """The committed file: in each line a figure's name, its value, and what we aim at."""

    def __init__(self, lines):
        self.notes = [line for line in lines if line.startswith("#")]
        words = [line.split() for line in lines if line.strip() and not line.startswith("#")]
        self.measured = {name: int(measured) for name, measured, _ in words}
        self.aims = {name: int(aim) for name, _, aim in words}

    def text(self, figures):
        rows = [f"{name:<20} {figures[name]:>8} {aim:>8}" for name, aim in self.aims.items()]
        return "\n".join(self.notes + rows) + "\n"

    def report(self, figures):
        """Prints all figures, and returns the names of those that are too high."""
        print(f"{'per request':<20} {'measured':>8} {'budget':>8} {'aim':>8}")
        too_high = []
        for name, aim in self.aims.items():
            budget, figure = self.measured[name], figures[name]
            remark = ""
            if figure > budget * (1 + TOLERANCE):
                too_high.append(name)
                remark = "  TOO HIGH"
            elif figure < budget * (1 - TOLERANCE):
                remark = "  lower: commit it"
            print(f"{name:<20} {figure:>8} {budget:>8} {aim:>8}{remark}")
        return too_high


def measure(daemon):
    with tempfile.TemporaryDirectory(prefix="budget-") as folder:
        measurement = Measurement(os.path.abspath(daemon), pathlib.Path(folder))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            parts = list(pool.map(measurement.figures, WORKLOADS))
    return {name: figure for part in parts for name, figure in part.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("daemon", help="the release daemon, with TDB")
    parser.add_argument("--update", action="store_true", help="write what is measured into the file")
    arguments = parser.parse_args()
    budget = Budget(BUDGET.read_text().splitlines())
    figures = measure(arguments.daemon)
    too_high = budget.report(figures)
    if arguments.update:
        BUDGET.write_text(budget.text(figures))
    elif too_high:
        sys.exit(
            f"\nA request costs over {TOLERANCE:.0%} more than {BUDGET.relative_to(HERE.parents[1])} allows: "
            f"{', '.join(too_high)}.\nMake it cheaper: the aims stand beside the figures. If the cost is worth it, say "
            "why in the commit, and write\nthe new figures into the file: make budget BUDGET=--update")


if __name__ == "__main__":
    main()
