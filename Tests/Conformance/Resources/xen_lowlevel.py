#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Walks Xen's own Python binding (xen.lowlevel.xs) through a live daemon.

The binding goes through the C library, as the toolstack does. One line for each step; the first
one that fails ends it.
"""

import glob
import sys

sys.path[:0] = glob.glob("/usr/lib/xen-*/lib/python")

from xen.lowlevel.xs import xs  # noqa: E402

NO_TRANSACTION = ""


def expect(step, actual, expected):
    if actual != expected:
        sys.exit(f"not ok: {step}: {actual!r}, not {expected!r}")
    print(f"ok: {step}")


def values(store):
    store.write(NO_TRANSACTION, "/python/first", "one")
    expect("read", store.read(NO_TRANSACTION, "/python/first"), b"one")
    expect("read nothing", store.read(NO_TRANSACTION, "/python/nothing"), None)
    store.mkdir(NO_TRANSACTION, "/python/folder")
    expect("list", store.ls(NO_TRANSACTION, "/python"), ["first", "folder"])
    expect("list nothing", store.ls(NO_TRANSACTION, "/python/nothing"), None)


def transactions(store):
    number = store.transaction_start()
    store.write(number, "/python/second", "two")
    expect("not seen outside", store.read(NO_TRANSACTION, "/python/second"), None)
    expect("seen inside", store.read(number, "/python/second"), b"two")
    expect("commit", store.transaction_end(number), True)
    expect("seen after", store.read(NO_TRANSACTION, "/python/second"), b"two")

    number = store.transaction_start()
    store.write(number, "/python/third", "three")
    expect("abort", store.transaction_end(number, 1), True)
    expect("not seen after", store.read(NO_TRANSACTION, "/python/third"), None)

    number = store.transaction_start()
    store.read(number, "/python/first")
    store.write(number, "/python/third", "three")
    store.write(NO_TRANSACTION, "/python/first", "changed")
    expect("conflict", store.transaction_end(number), False)


def permissions(store):
    given = [{"dom": 0}, {"dom": 5, "read": True}, {"dom": 6, "read": True, "write": True}]
    store.set_permissions(NO_TRANSACTION, "/python/first", given)
    got = store.get_permissions(NO_TRANSACTION, "/python/first")
    shown = [(entry["dom"], bool(entry["read"]), bool(entry["write"])) for entry in got]
    expect("permissions", shown, [(0, False, False), (5, True, False), (6, True, True)])


def watches(store):
    store.watch("/python", "token")
    expect("first event", store.read_watch(), ("/python", "token"))
    store.write(NO_TRANSACTION, "/python/fourth", "four")
    expect("event", store.read_watch(), ("/python/fourth", "token"))
    store.rm(NO_TRANSACTION, "/python/fourth")
    expect("event of a removal", store.read_watch(), ("/python/fourth", "token"))
    store.unwatch("/python", "token")


def domains(store):
    expect("path of a domain", store.get_domain_path(3), "/local/domain/3")


def main():
    store = xs()
    for step in (values, transactions, permissions, watches, domains):
        step(store)
    store.rm(NO_TRANSACTION, "/python")
    expect("removed", store.read(NO_TRANSACTION, "/python/first"), None)
    store.close()
    print("done")


main()
