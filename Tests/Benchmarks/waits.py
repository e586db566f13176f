#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures how long others wait while the daemon works on a large request: the removal of a large subtree, inside and
outside a transaction, the end of a domain that owns one, CONTROL check, and the commit of many changes.

One client reads and one writes without end. For each of them the table has the longest time without an answer, and as
much for a time in which nobody else asks: what the machine itself adds. `took` is the time until the large request is
answered. All times are milliseconds. Each figure is the least of some runs, since a busy machine only adds.
"""
import argparse
import multiprocessing
import os
import pathlib
import socket
import struct
import tempfile
import time

import peers as known

CONTROL, READ, START, END, INTRODUCE, RELEASE, WRITE, RM, SET_PERMS = 0, 2, 6, 7, 8, 9, 11, 13, 14
DOMAIN = 5
BIG = b"/local/domain/5/big"


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)

    def send(self, operation, payload, transaction=0):
        self.socket.sendall(struct.pack("=IIII", operation, 0, transaction, len(payload)) + payload)

    def answer(self, expected):
        kind, _, _, length = struct.unpack("=IIII", self.take(16))
        body = self.take(length)
        if kind != expected:
            raise RuntimeError(f"operation {expected} is answered {body}")
        return body

    def ask(self, operation, payload, transaction=0):
        self.send(operation, payload, transaction)
        return self.answer(operation)

    def take(self, count):
        data = self.socket.recv(count, socket.MSG_WAITALL) if count else b""
        if len(data) != count:
            raise RuntimeError("the daemon has closed the connection")
        return data

    def write_all(self, payloads, transaction=0, depth=100):
        """Writes without waiting for each answer."""
        waiting = 0
        for payload in payloads:
            self.send(WRITE, payload, transaction)
            waiting += 1
            if waiting == depth:
                while waiting:
                    self.answer(WRITE)
                    waiting -= 1
        for _ in range(waiting):
            self.answer(WRITE)


class Watcher:
    """A process that asks without end, and knows its longest wait since it was asked the last time."""

    def __init__(self, path, operation, payload):
        self.pipe, end = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=self.run, args=(path, operation, payload, end), daemon=True)
        self.process.start()
        self.longest()

    @staticmethod
    def run(path, operation, payload, pipe):
        client = Client(path)
        longest = 0
        while True:
            begin = time.monotonic()
            client.ask(operation, payload)
            longest = max(longest, time.monotonic() - begin)
            if pipe.poll():
                pipe.recv()
                pipe.send(longest)
                longest = 0

    def longest(self):
        self.pipe.send(None)
        return self.pipe.recv() * 1000

    def stop(self):
        self.process.kill()
        self.process.join()


def nodes(count):
    return (b"%s/%d/%d\0v" % (BIG, number // 1000, number % 1000) for number in range(count))


# How each case begins, and what is measured.

def fill(client, count, is_owned):
    client.ask(WRITE, b"/local/domain/5\0")
    if is_owned:
        client.ask(SET_PERMS, b"/local/domain/5\0n5\0")
    client.write_all(nodes(count))


def start(client):
    return int(client.ask(START, b"\0").rstrip(b"\0"))


def nothing(client, arguments):
    time.sleep(0.3)


def remove(client, arguments):
    client.ask(RM, BIG + b"\0")


def remove_in_transaction(client, arguments):
    number = start(client)
    client.ask(RM, BIG + b"\0", number)
    client.ask(END, b"T\0", number)


def end_domain(client, arguments):
    client.ask(RELEASE, b"5\0")


def check(client, arguments):
    client.ask(CONTROL, b"check\0")


def prepare_commit(client, arguments):
    number = start(client)
    client.write_all((b"/new/%d/%d\0v" % (at // 1000, at % 1000) for at in range(arguments.changes)), number)
    return number


def commit(client, arguments, number):
    client.ask(END, b"T\0", number)


class Case:
    def __init__(self, name, act, prepare=None, needs_domain=False, is_big=True):
        self.name = name
        self.act = act
        self.prepare = prepare
        self.needs_domain = needs_domain
        self.is_big = is_big


CASES = [
    Case("nothing", nothing, is_big=False), Case("RM", remove), Case("RM in a transaction", remove_in_transaction),
    Case("end of a domain", end_domain, needs_domain=True), Case("CONTROL check", check),
    Case("commit", commit, prepare_commit, is_big=False)]


class Run:
    """One daemon with one storage, in a folder of its own."""

    def __init__(self, arguments, daemon, storage, folder):
        self.arguments = arguments
        configuration = folder / "configuration"
        kind = "memory" if storage == "memory" else f"{{tdb: {{path: {folder}/store/tdb, size-max: 0}}}}"
        configuration.write_text(
            "transports: [unix-socket, event-channel-ring]\npolicies: [permissions, quotas]\nstorage: " + kind + "\n")
        hypervisor = arguments.build / "libfakexen.so"
        self.peer = known.Peer(storage, folder, [daemon, "--no-fork", "--config", str(configuration)], {
            "LD_PRELOAD": str(hypervisor.resolve()), "FAKEXEN_DIR": str(folder / "world"),
            "XENSTORED_ROOTDIR": str(folder / "lib")})

    def measure(self, case):
        """How long the reader and the writer waited, and how long the request took."""
        self.peer.start()
        watchers = []
        try:
            client = Client(self.peer.socket)
            if case.needs_domain:
                self.introduce(client)
            fill(client, self.arguments.nodes if case.is_big else 1, case.needs_domain)
            prepared = [case.prepare(client, self.arguments)] if case.prepare else []
            client.ask(WRITE, b"/seen\0v")
            # Storage may still have to fold what was made.
            self.peer.settle(60)
            watchers = [Watcher(self.peer.socket, READ, b"/seen\0"), Watcher(self.peer.socket, WRITE, b"/own\0v")]
            time.sleep(0.5)
            for watcher in watchers:
                watcher.longest()
            begin = time.monotonic()
            case.act(client, self.arguments, *prepared)
            took = (time.monotonic() - begin) * 1000
            # What the request has left to do counts as well.
            time.sleep(1)
            return [*(watcher.longest() for watcher in watchers), took]
        finally:
            for watcher in watchers:
                watcher.stop()
            self.peer.stop()

    def introduce(self, client):
        """As Xen does: the domain is there, and the toolstack tells the store of it."""
        import ctypes
        os.environ["FAKEXEN_DIR"] = self.peer.world
        library = ctypes.CDLL(str((self.arguments.build / "libfakexen.so").resolve()))
        library.fx_domain_create(DOMAIN, ctypes.c_ulong(77), 0)
        library.fx_end_open.restype = ctypes.c_void_p
        end = ctypes.c_void_p(library.fx_end_open(DOMAIN))
        port = library.fx_alloc_unbound(end, 0)
        client.ask(INTRODUCE, b"%d\x001000\0%d\0" % (DOMAIN, port))


def measure(arguments, daemon, storage, case):
    best = None
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory(prefix="waits-") as folder:
            found = in_own_process(Run(arguments, daemon, storage, pathlib.Path(folder)), case)
        best = found if best is None else [min(pair) for pair in zip(best, found)]
    return best


def in_own_process(run, case):
    """In a process of its own: the simulated Xen is one per process."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=lambda: sender.send(run.measure(case)))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    finally:
        process.join()


def main():
    multiprocessing.set_start_method("fork")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("daemon", help="the release daemon, with TDB")
    parser.add_argument("--before", help="an earlier build, to compare with")
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path(".build_bench"), help="has libfakexen.so")
    parser.add_argument("--nodes", type=int, default=1_000_000, help="of the large subtree")
    parser.add_argument("--changes", type=int, default=100_000, help="of the large transaction")
    parser.add_argument("--runs", type=int, default=2, help="of each case")
    parser.add_argument("--case", action="append", help="only this one; all by default")
    parser.add_argument("--storage", action="append", help="memory or tdb; both by default")
    arguments = parser.parse_args()
    daemons = [("before", arguments.before)] if arguments.before else []
    daemons.append(("now", arguments.daemon))
    print(f"{'':22}{'':8}" + "".join(f"{name:>8} reader  writer    took" for name, _ in daemons))
    for case in CASES:
        if arguments.case and case.name not in arguments.case:
            continue
        for storage in arguments.storage or ["memory", "tdb"]:
            row = [measure(arguments, os.path.abspath(daemon), storage, case) for _, daemon in daemons]
            print(f"{case.name:22}{storage:8}" + "".join(
                f"{found[0]:15.1f}{found[1]:8.1f}{found[2]:8.0f}" for found in row), flush=True)


if __name__ == "__main__":
    main()
