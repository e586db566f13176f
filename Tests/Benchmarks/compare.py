#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures sxenstored against other XenStore daemons and an echo server, and prints Markdown.

Client and daemons share one core, and take turns (A B C A B C ...): a request's whole processor time counts,
no core has to be woken up, and what else the machine does hits all alike. Only ratios within one run mean
anything. Each cell is operations per second (median / 99th percentile of latency in microseconds), the
median of all rounds. The floor echoes requests of 32 bytes and does nothing else.

The set `near` has what comes near to the floor, and says what a system call costs: where that is much, everything
looks alike.

The set `storage` is apart: there client and daemons have all cores, as what writes to the disk works beside the
daemon, and each turn lasts at least a second. It needs some minutes, and a disk that nobody else is busy with.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

import peers as known
import storage


class Workload:
    def __init__(self, group, name, options, floor=None, is_near=False):
        self.groups = {group, "near"} if is_near else {group}
        self.name = name
        self.options = options.split()
        self.floor = floor and floor.split()

    def options_for(self, peer):
        return self.floor if peer.name == "floor" else self.options


def plain(group, op, clients=1, pipeline=1, nodes=100):
    load = f"--clients {clients} --pipeline {pipeline}"
    name = f"{op}, {clients} client{'s' * (clients > 1)}, {pipeline} in flight, {nodes:,} nodes"
    is_near = op in ("read", "write") and nodes == 100 and (clients, pipeline) in ((1, 1), (64, 1), (1, 16))
    return Workload(group, name, f"--op {op} --nodes {nodes} {load}", f"--op raw --value-size 32 {load}", is_near)


def watching(name, op, watches):
    return Workload("watch", name, f"--op {op} --watches {watches} --clients {min(watches, 10)}")


WORKLOADS = [
    *(plain("ops", op) for op in ("read", "write", "getperms", "directory")),
    Workload("ops", "mkdir and rm, 1 client", "--op mkdir_rm"),
    Workload("ops", "transaction: read, write, commit, 1 client", "--op transaction_rmw"),
    *(plain("load", op, *load) for op in ("read", "write") for load in ((8, 1), (64, 1), (1, 16), (8, 16))),
    Workload("load", "transaction: read, write, commit, 8 clients", "--op transaction_rmw --clients 8 --nodes 10000"),
    Workload("load", "connect, read, close", "--op connect", "--op connect", True),
    watching("write, 1 watch elsewhere", "watch_idle", 1),
    watching("write, 1,000 watches elsewhere", "watch_idle", 1000),
    *(watching(f"write that fires {count}", "watch_fire", count) for count in (1, 100, 1000)),
    *(plain("tree", op, clients, 1, nodes)
      for nodes in (10_000, 100_000) for op in ("read", "write") for clients in (1, 64)),
    Workload("directory", "DIRECTORY of 1,000 children", "--op dir_flat --nodes 1000"),
    Workload("directory", "10,000 children by DIRECTORY_PART", "--op dir_part --nodes 10000"),
    *(Workload("ring", f"{op} on a ring, {depth} in flight", f"--op {op} --ring 9 --pipeline {depth}")
      for op in ("read", "write") for depth in (1, 16)),
]


# Of one workload.
ROUNDS_MAX = 40


class Bench:
    def __init__(self, arguments, peers):
        self.arguments = arguments
        self.peers = peers

    def run(self, peer, options, warmup=0.1, seconds=None, timeout=120):
        """One run of xsbench: its result, or why there is none."""
        command = [
            str(self.arguments.build / "xsbench"), "--socket", peer.socket, "--pid", str(peer.pid), "--json",
            "--warmup", str(warmup), "--seconds", str(seconds or self.arguments.seconds),
            "--lib", str(self.arguments.build / "libfakexen.so"), *options]
        environment = {**os.environ, "FAKEXEN_DIR": peer.world}
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)
        except subprocess.TimeoutExpired:
            return f"more than {timeout} s"
        if done.returncode:
            return done.stderr.strip()[:60]
        result = json.loads(done.stdout.replace("\0", ""))
        return result if not result["errors"] else result["first_error"]

    def measure(self, workload):
        """Medians of each peer's runs by name, or why there are none."""
        results = {peer.name: [] for peer in self.peers if workload.options_for(peer)}
        for turn in range(self.arguments.rounds if not self.arguments.before else ROUNDS_MAX):
            if turn >= self.arguments.rounds and spread(results) < self.arguments.spread:
                break
            for peer in self.peers:
                if isinstance(results.get(peer.name), list):
                    options = workload.options_for(peer)
                    # The tree is written in the first turn, and stays; a ring's domain is new each time.
                    kept = ["--no-populate"] if turn and "--ring" not in options else []
                    result = self.run(peer, options + kept)
                    if isinstance(result, str):
                        results[peer.name] = result
                    else:
                        results[peer.name].append(result)
        figures = {name: runs if isinstance(runs, str) else medians(runs) for name, runs in results.items()}
        if isinstance(figures.get("before"), dict):
            figures["before"]["spread"] = spread(results)
        return figures

    def speed(self, groups):
        others = [peer.name for peer in self.peers if peer.name not in ("sxenstored", known.IN_MEMORY)]
        print("|".join(["", " workload ", *(f" {peer.name} " for peer in self.peers),
                        *(f" ours : {name} " for name in others), " in memory : floor ", ""]))
        print("|---" * (2 + len(self.peers) + len(others)) + "|")
        for workload in WORKLOADS:
            if workload.groups & set(groups):
                results = self.measure(workload)
                cells = [speed_cell(results.get(peer.name)) for peer in self.peers]
                ratios = [ratio(results["sxenstored"], results.get(name)) for name in others]
                ratios.append(ratio(results.get(known.IN_MEMORY), results.get("floor")))
                print(f"| {workload.name} | " + " | ".join(cells + ratios) + " |", flush=True)
        print()

    def memory(self):
        """Fresh daemons: time to the first answer, resident memory, and what nodes of 16 bytes add to it."""
        sizes = (100_000, 1_000_000)
        print("| daemon | start, ms | idle, MB |" + "".join(f" bytes per node at {size:,} |" for size in sizes))
        print("|---" * (3 + len(sizes)) + "|")
        for peer in self.peers[1:]:
            starts = []
            for _ in range(7):
                peer.stop()
                starts.append(peer.start())
            idle = peer.resident_kb()
            cells = [f"{statistics.median(starts) * 1e3:.1f}", f"{idle / 1024:.1f}"]
            for size in sizes:
                result = self.run(peer, ["--op", "populate", "--nodes", str(size)], timeout=60)
                grown = (peer.resident_kb() - idle) * 1024
                cells.append(result if isinstance(result, str) else f"{grown / size:.0f}")
            print(f"| {peer.name} | " + " | ".join(cells) + " |", flush=True)
        print()


def spread(results):
    """How far the median of ours : before may be from the true one, as a part of it: a notch of a box plot."""
    ours, before = results.get("sxenstored"), results.get("before")
    if not isinstance(ours, list) or not isinstance(before, list) or len(before) < 4:
        return 0 if isinstance(before, str) else 1
    ratios = [a["ops_per_s"] / b["ops_per_s"] for a, b in zip(ours, before)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return 1.57 * (high - low) / len(ratios) ** 0.5 / middle


def medians(runs):
    keys = ("ops_per_s", "p50_ns", "p99_ns")
    return {key: statistics.median(run[key] for run in runs) for key in keys}


def speed_cell(result):
    if result is None or isinstance(result, str):
        return result or ""
    return f"{result['ops_per_s']:,.0f}/s ({result['p50_ns'] / 1e3:.0f} / {result['p99_ns'] / 1e3:.0f})"


def ratio(ours, theirs):
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        return ""
    sure = f" ±{theirs['spread']:.0%}" if "spread" in theirs else ""
    return f"{ours['ops_per_s'] / theirs['ops_per_s']:.2f}{sure}"


def main():
    groups = sorted(set().union(*(workload.groups for workload in WORKLOADS))) + ["memory", "storage"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--daemon", required=True, help="our daemon, as it is installed")
    parser.add_argument("--build", type=pathlib.Path, required=True, help="folder of xsbench and echofloor")
    parser.add_argument("--before", help="an earlier build of our daemon, to be compared with")
    parser.add_argument("--spread", type=float, default=0.05,
                        help=f"with --before: rounds until its ratio is as sure as this, {ROUNDS_MAX} at most")
    parser.add_argument("--core", type=int, default=0, help="the core that all share")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each turn")
    parser.add_argument("--set", default="ops,load,watch,memory", help=f"some of {','.join(groups)}")
    arguments = parser.parse_args()
    chosen = arguments.set.split(",")
    if unknown := set(chosen) - set(groups):
        parser.error(f"no such set: {', '.join(unknown)}; there are {', '.join(groups)}")

    if "storage" in chosen:
        # Below the build: temporary folders are often in memory, and that is no disk.
        with tempfile.TemporaryDirectory(prefix="xsbench-", dir=arguments.build) as folder:
            bench = Bench(arguments, [])
            storage.measure_all(bench, os.path.abspath(arguments.daemon), pathlib.Path(folder).absolute())
    if set(chosen) == {"storage"}:
        return
    # Inherited by all that is started from here.
    os.sched_setaffinity(0, {arguments.core})
    with tempfile.TemporaryDirectory(prefix="xsbench-") as folder:
        before = arguments.before and os.path.abspath(arguments.before)
        peers = known.all_peers(
            os.path.abspath(arguments.daemon), arguments.build, pathlib.Path(folder), before, "near" in chosen)
        peers = [peer for peer in peers if peer.name != known.LIBXENCTRL]
        bench = Bench(arguments, peers)
        if "near" in chosen:
            cost = subprocess.run([str(arguments.build / "echofloor"), "--system-call"], capture_output=True, text=True)
            print(f"A system call costs {cost.stdout.strip()} ns here.\n", flush=True)
        try:
            for peer in peers:
                peer.start()
            if set(chosen) - {"memory"}:
                bench.speed(chosen)
            if "memory" in chosen:
                bench.memory()
        finally:
            for peer in peers:
                peer.stop()


if __name__ == "__main__":
    main()
