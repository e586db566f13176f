#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what one VM costs the store while ever more VMs run beside it, as LightVM's authors did. Prints Markdown,
and draws a plot.

VMs are created and destroyed in a simulated Xen (Tests/FakeXen), once as xl does it and once as a toolstack like
LightVM's: see toolstacks.py. A figure is the daemon's processor time for each VM of a batch, so client, guests and
what else the machine does do not count. Time that a real hypervisor would take is charged for each of the daemon's
calls (Tests/FakeXen/charge.c). `names`: xl reads the name of each VM that runs before it creates one. `interrupt`: a
VIRQ_DOM_EXC that tells of one guest's shutdown.

A daemon that takes longer than --patience to fill up to a number of VMs is measured up to the number before.
"""
import argparse
import os
import pathlib
import statistics
import tempfile
import time

import guests
import peers as known
import plot
import toolstacks

CHARGE = "2000 300"
BATCH = 20
READS = 2000
TURNS = 3


class Scale:
    """One daemon, and the VMs that run beside what is measured."""

    def __init__(self, peer, library):
        self.peer = peer
        self.xen = guests.Xen(library, peer.world)
        self.tool = guests.Tool(peer.socket)
        self.watcher = guests.Tool(peer.socket)
        self.tool.write("/local/domain/0/name", "Domain-0")
        self.watcher.watch("@introduceDomain")
        self.watcher.watch("@releaseDomain")
        self.number = 0
        self.running = []
        self.empty_kb = self.own_memory_kb()

    def new(self, kind):
        self.number += 1
        return kind(self.xen, self.tool, self.watcher, self.number)

    def fill(self, population, patience):
        """Lets so many VMs run, made by xl. False if that takes too long."""
        end = time.monotonic() + patience
        self.tool.window = self.watcher.window = 32
        while len(self.running) < population and time.monotonic() < end:
            vm = self.new(toolstacks.XL)
            vm.create()
            vm.guest.leave()
            self.running.append(vm.number)
        self.tool.window = self.watcher.window = 0
        return len(self.running) >= population

    def spent(self, work):
        """Milliseconds of the daemon's processor time, with what it puts off."""
        self.settle()
        before = self.peer.processor_time()
        work()
        self.settle()
        return (self.peer.processor_time() - before) / 1e6

    def settle(self):
        self.tool.read("/")
        if self.peer.name == "sxenstored":  # Only this one has threads for its files.
            self.peer.settle(60)

    def lives(self, kind):
        """The cost of creating and destroying one VM of this kind, and of the interrupt that tells of its shutdown."""
        vms = [self.new(kind) for _ in range(BATCH)]
        created = self.spent(lambda: [vm.create() for vm in vms])
        for vm in vms:
            if vm.requests != kind.REQUESTS:
                raise AssertionError(f"{kind.__name__} takes {vm.requests} requests")
        destroyed = self.spent(lambda: [vm.shut_down() for vm in vms])
        calls = self.xen.calls()
        told = self.spent(lambda: [self.tell(self.xen.shut_down, vm) for vm in vms])
        self.calls = {name: [(now - before) / BATCH for now, before in zip(self.xen.calls()[name], calls[name])]
                      for name in calls}
        destroyed += self.spent(lambda: [vm.remove() for vm in vms])
        destroyed += self.spent(lambda: [self.tell(self.xen.destroy, vm) for vm in vms])
        return [time / BATCH for time in (created, destroyed + told, told)]

    def tell(self, change, vm):
        change(vm.number)
        self.xen.wait()

    def names(self):
        """xl looks for a VM of the same name."""
        return self.spent(lambda: [self.tool.read(f"/local/domain/{number}/name") for number in self.running])

    def reads(self):
        """Microseconds of one READ."""
        return self.spent(lambda: [self.tool.read("/local/domain/0/name") for _ in range(READS)]) / READS * 1e3

    def end(self):
        """All VMs die at once: the daemon's time for each in microseconds, and how long another client waited for a
        reply meanwhile, in milliseconds."""
        waits = []

        def watch_them_die():
            self.xen.destroy_together(self.running)
            # C xenstored and others have no order in which domains go.
            for number in (self.running[-1], self.running[0]):
                while True:
                    begin = time.monotonic()
                    is_there = self.tool.knows(number)
                    waits.append(time.monotonic() - begin)
                    if not is_there:
                        break

        spent = self.spent(watch_them_die)
        return spent / len(self.running) * 1e3, max(waits) * 1e3

    def own_memory_kb(self):
        for line in open(f"/proc/{self.peer.pid}/status"):
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
        return 0

    def descriptors(self):
        """The daemon's open files, without what the simulated Xen has opened in its process for guests."""
        links = [os.readlink(link) for link in pathlib.Path(f"/proc/{self.peer.pid}/fd").iterdir()]
        kept = [link for link in links if not (link.startswith(self.peer.world + "/dom") and "/fifo" in link)]
        return f"{len(kept)} ({sum(link.startswith('socket:') for link in kept)})"

    def row(self, population):
        """All figures with so many VMs, of the median of some turns."""
        kinds = {}
        for kind in (toolstacks.XL, toolstacks.LightVM):
            turns = [self.lives(kind) for _ in range(TURNS)]
            kinds[kind] = [statistics.median(column) for column in zip(*turns)]
        xl, light = kinds[toolstacks.XL], kinds[toolstacks.LightVM]
        grown = (self.own_memory_kb() - self.empty_kb) / population if population else None
        return {
            "running": population, "created": xl[0], "names": self.names() if population else 0, "destroyed": xl[1],
            "light created": light[0], "light destroyed": light[1], "interrupt": light[2], "READ": self.reads(),
            "kB": grown, "descriptors": self.descriptors(), "calls": self.calls}


COLUMNS = [
    ("running", "{:,}"), ("created", "{:.2f}"), ("names", "{:.2f}"), ("destroyed", "{:.2f}"),
    ("light created", "{:.3f}"), ("light destroyed", "{:.3f}"), ("interrupt", "{:.3f}"), ("READ", "{:.1f}"),
    ("kB", "{:.1f}")]
HEAD = ("daemon | VMs running | xl: created, ms | names, ms | destroyed, ms | 42 requests: created, ms | "
        "destroyed, ms | interrupt, ms | READ, us | memory per VM, kB | descriptors (sockets) | "
        "calls for each interrupt")



def cells(name, row):
    lists, domains = row["calls"]["lists"]
    polls, _ = row["calls"]["polls"]
    texts = ["" if row[key] is None else form.format(row[key]) for key, form in COLUMNS]
    asked = f"{lists:.0f} lists of {domains:,.0f}" if lists else f"{polls:.0f} polls"
    return " | ".join([name, *texts, row["descriptors"], asked])


def measure(peer, library, populations, patience, ends):
    rows = []
    peer.environment["FAKEXEN_CHARGE"] = CHARGE
    peer.start()
    try:
        scale = Scale(peer, library)
        for population in populations:
            if not scale.fill(population, patience):
                print(f"| {peer.name} | {population:,} are not reached in {patience} s |", flush=True)
                break
            rows.append(scale.row(population))
            print(f"| {cells(peer.name, rows[-1])} |", flush=True)
        if scale.running:
            ends.append(
                "{}: {:,} VMs die at once: {:.0f} us each; another client waits {:.1f} ms at most.".format(
                    peer.name, len(scale.running), *scale.end()))
    finally:
        peer.stop()
    return rows


def slopes(results):
    """How the last row of each daemon compares with the first, and what a name costs."""
    for name, rows in results.items():
        if len(rows) < 2:
            continue
        first, last = rows[0], rows[-1]
        ratios = ", ".join(f"{key} {last[key] / first[key]:.2f}" for key in (
            "created", "destroyed", "light created", "light destroyed", "interrupt", "READ"))
        print(f"{name}, {last['running']:,} VMs : none: {ratios}. "
              f"A name read costs {last['names'] / last['running'] * 1e3:.1f} us.")


def peers(arguments, folder):
    return known.all_peers(os.path.abspath(arguments.daemon), arguments.build, folder, in_memory=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--daemon", required=True, help="our daemon, as it is installed")
    parser.add_argument("--build", type=pathlib.Path, required=True, help="folder of libfakexen.so")
    parser.add_argument("--running", default="0,100,1000,3000,10000", help="numbers of running VMs")
    parser.add_argument("--only", help="one daemon of those in the table")
    parser.add_argument("--patience", type=float, default=150, help="seconds to fill up to one of these")
    parser.add_argument("--plot", type=pathlib.Path, default=pathlib.Path(".build_bench/scale.svg"))
    arguments = parser.parse_args()
    populations = [int(text) for text in arguments.running.split(",")]
    library = (arguments.build / "libfakexen.so").resolve()

    call, domain = CHARGE.split()
    print(f"A call of the hypervisor is charged {call} ns, a domain that it tells of {domain}.\n")
    print(f"| {HEAD} |")
    print("|---" * (HEAD.count("|") + 1) + "|")
    results, ends = {}, []
    # In memory: the worlds are files that guests and daemons share.
    with tempfile.TemporaryDirectory(prefix="scale-", dir="/dev/shm") as folder:
        for peer in peers(arguments, pathlib.Path(folder)):
            if peer.name != "floor" and arguments.only in (None, peer.name):
                results[peer.name] = measure(peer, library, populations, arguments.patience, ends)
    print()
    slopes(results)
    print("\n".join(ends))
    plot.draw(arguments.plot, results)
    print(f"\nThe plot is {arguments.plot}.")


if __name__ == "__main__":
    main()
