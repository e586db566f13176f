# SPDX-License-Identifier: Apache-2.0
"""What it costs to keep the store: writes to memory, to the file, and to the disk, beside the other daemons, which
keep theirs in memory, and beside what the disk itself can do."""
import os
import shutil
import statistics
import time

import peers as known

# What is measured: clients, nodes.
LOADS = ((1, 100), (1, 10_000), (64, 100), (64, 10_000))
SIZES = (100_000, 1_000_000)
RATIOS = (("tdb none", "C 4.17"), ("tdb none", "OCaml 4.17"), ("tdb commit", "fdatasync"))


class BareSync:
    """The disk's own rate: one small write to a file that is there, and fdatasync."""
    name = "fdatasync"
    # A batch of one write of 16 bytes.
    batch = b"b" * 120

    def __init__(self, folder):
        self.descriptor = os.open(folder / "bare", os.O_RDWR | os.O_CREAT)
        os.pwrite(self.descriptor, bytes(1 << 20), 0)
        os.fsync(self.descriptor)

    def rate(self, seconds):
        count, begin = 0, time.monotonic()
        while time.monotonic() - begin < seconds:
            os.pwrite(self.descriptor, self.batch, 0)
            os.fdatasync(self.descriptor)
            count += 1
        return count / (time.monotonic() - begin)


def tdb(ours, folder, sync):
    home = folder / f"tdb-{sync}"
    home.mkdir()
    configuration = home / "conf"
    configuration.write_text(
        "transports: [unix-socket]\npolicies: [permissions, quotas]\n"
        f"storage: {{tdb: {{path: {home}/store/tdb, sync: {sync}, size-max: 0}}}}\n")
    return known.Peer(f"tdb {sync}", home, [ours, "--no-fork", "--config", str(configuration)])


def measure_all(bench, ours, folder):
    others = [peer for peer in known.all_peers(ours, bench.arguments.build, folder) if peer.name != "floor"]
    others[0].name = "memory"
    peers = [others[0], tdb(ours, folder, "none"), tdb(ours, folder, "commit"), *others[1:]]
    try:
        for peer in peers:
            peer.start()
        writes(bench, peers, BareSync(folder))
    finally:
        for peer in peers:
            peer.stop()
    loading(bench, ours, folder)


# MARK: Writing

def writes(bench, peers, bare):
    seconds = max(1, bench.arguments.seconds)
    print("Writes per second (the daemon's processor time for each, in microseconds), and the disk's own syncs.\n")
    columns = [peer.name for peer in peers] + [bare.name]
    ratios = [pair for pair in RATIOS if set(pair) <= set(columns)]
    header([""] + columns + [" : ".join(pair) for pair in ratios])
    for clients, nodes in LOADS:
        options = f"--op write --clients {clients} --nodes {nodes}".split()
        runs = {name: [] for name in columns}
        for turn in range(bench.arguments.rounds):
            for peer in peers:
                result = bench.run(peer, options + ["--no-populate"] * bool(turn), 0.3, seconds)
                if isinstance(result, str):
                    raise RuntimeError(f"{peer.name}: {result}")
                runs[peer.name].append(result)
                # What is still being brought into the file must not burden the next one.
                peer.settle()
            runs[bare.name].append({"ops_per_s": bare.rate(bench.arguments.seconds)})
        medians = {name: median(runs[name], "ops_per_s") for name in columns}
        cells = [f"{medians[peer.name]:,.0f} ({median(runs[peer.name], 'daemon_cpu_ns_per_op') / 1e3:.1f})"
                 for peer in peers]
        row([f"{clients} client{'s' * (clients > 1)}, {nodes:,} nodes", *cells, f"{medians[bare.name]:,.0f}"]
            + [f"{statistics.median(map(quotient, runs[a], runs[b])):.2f}" for a, b in ratios])
    print()


def quotient(a, b):
    """Of one turn: what slowed that turn down did so for both."""
    return a["ops_per_s"] / b["ops_per_s"]


def median(runs, key):
    return statistics.median(run[key] for run in runs)


# MARK: Starting

def loading(bench, ours, folder):
    print("A store of nodes of 16 bytes: from the daemon's start to its first answer, and what the files take.\n")
    header(["nodes", "start, s", "file, MB", "start after kill -9, s", "file and journals, MB"])
    for nodes in SIZES:
        cells = []
        for kills in (False, True):
            home = folder / f"load-{nodes}-{kills}"
            home.mkdir()
            peer = tdb(ours, home, "none")
            try:
                seconds, size = start_with(bench, peer, nodes, kills)
            finally:
                peer.stop(60)
            cells += [f"{seconds:.2f}", f"{size / 1e6:,.1f}"]
            shutil.rmtree(home)
        row([f"{nodes:,}", *cells])
    print()


def start_with(bench, peer, nodes, kills):
    """Fills a store, ends the daemon, and returns what the next one needs: seconds, and bytes."""
    peer.start()
    result = bench.run(peer, ["--op", "populate", "--nodes", str(nodes)])
    if isinstance(result, str):
        raise RuntimeError(f"{peer.name}: {result}")
    if kills:
        peer.process.kill()
        peer.process.wait()
    else:
        peer.settle()
        peer.stop(60)
    files = list((peer.folder / "store").iterdir())
    size = sum(file.stat().st_size for file in files)
    seconds = []
    for _ in range(1 if kills else 3):
        seconds.append(peer.start(60))
        peer.stop(60)
    return statistics.median(seconds), size


def header(cells):
    row(cells)
    print("|---" * len(cells) + "|")


def row(cells):
    print("| " + " | ".join(cells) + " |", flush=True)
