# SPDX-License-Identifier: Apache-2.0
"""Clients of a daemon in a simulated Xen (Tests/FakeXen): tools at its socket, and guests at their rings."""
import ctypes
import mmap
import os
import pathlib
import shutil
import socket
import struct
import time

(CONTROL, DIRECTORY, READ, GET_PERMS, WATCH, UNWATCH, TRANSACTION_START, TRANSACTION_END, INTRODUCE, RELEASE,
 GET_DOMAIN_PATH, WRITE, MKDIR, RM, SET_PERMS, WATCH_EVENT, ERROR, IS_DOMAIN_INTRODUCED) = range(18)
PATIENCE = 60


class Refusal(Exception):
    """The daemon has answered with an error; its name is the argument."""


class Client:
    """Sends requests, and counts them. With `window` above 0 it does not wait for each reply: so a store fills fast."""

    def __init__(self):
        self.window = 0
        self.count = 0
        self.waiting = 0
        self.received = b""

    def ask(self, kind, payload=b"", transaction=0):
        """The reply's payload. Events that come meanwhile are dropped."""
        self.settle()
        self.post(kind, payload, transaction)
        return self.take()

    def do(self, kind, payload=b"", transaction=0):
        """As `ask`, for a request whose answer does not matter."""
        if not self.window:
            return self.ask(kind, payload, transaction)
        self.post(kind, payload, transaction)
        if self.waiting > self.window:
            self.settle()

    def post(self, kind, payload, transaction):
        self.count += 1
        self.waiting += 1
        self.send(struct.pack("=IIII", kind, self.count & 0xffffffff, transaction, len(payload)) + payload)

    def settle(self):
        """Waits for the replies to all requests."""
        while self.waiting:
            self.take()

    def take(self):
        while True:
            while len(self.received) < 16 or len(self.received) < 16 + struct.unpack_from("=I", self.received, 12)[0]:
                self.received += self.receive()
            kind, _, _, length = struct.unpack_from("=IIII", self.received)
            body, self.received = self.received[16:16 + length], self.received[16 + length:]
            if kind == WATCH_EVENT:
                continue
            self.waiting -= 1
            if kind == ERROR:
                raise Refusal(body.rstrip(b"\0").decode())
            return body

    def read(self, path):
        return self.ask(READ, path.encode() + b"\0")

    def write(self, path, value, transaction=0):
        self.do(WRITE, f"{path}\0{value}".encode(), transaction)

    def permit(self, path, entries, transaction=0):
        self.do(SET_PERMS, "".join(f"{text}\0" for text in (path, *entries)).encode(), transaction)

    def make(self, path, transaction=0):
        self.do(MKDIR, path.encode() + b"\0", transaction)

    def remove(self, path, transaction=0):
        self.do(RM, path.encode() + b"\0", transaction)

    def watch(self, path, token="w"):
        self.do(WATCH, f"{path}\0{token}\0".encode())

    def unwatch(self, path, token="w"):
        self.do(UNWATCH, f"{path}\0{token}\0".encode())

    def start(self):
        return int(self.ask(TRANSACTION_START, b"\0").rstrip(b"\0"))

    def commit(self, transaction):
        self.ask(TRANSACTION_END, b"T\0", transaction)


class Tool(Client):
    """A client of the daemon's socket."""

    def __init__(self, path):
        super().__init__()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        if data := self.socket.recv(1 << 16):
            return data
        raise ConnectionError("the daemon has closed the connection")

    def introduce(self, guest):
        self.do(INTRODUCE, b"%d\0%d\0%d\0" % (guest.domain, 1, guest.port))

    def knows(self, domain):
        return self.ask(IS_DOMAIN_INTRODUCED, b"%d\0" % domain) == b"T\0"

    def release(self, domain):
        self.do(RELEASE, b"%d\0" % domain)


class Xen:
    """The simulated hypervisor, whose world is the folder that FAKEXEN_DIR names."""

    CALLS = ("lists", "info", "polls", "binds", "notifies", "maps")

    def __init__(self, library, world):
        os.environ["FAKEXEN_DIR"] = world
        self.world = pathlib.Path(world)
        # The library knows one world, and a copy of it another.
        own = shutil.copy(library, self.world / "library.so")
        self.library = ctypes.CDLL(own)
        for name in ("fx_end_open", "fx_page_map"):
            getattr(self.library, name).restype = ctypes.c_void_p
        self.library.fx_end_close.argtypes = [ctypes.c_void_p]
        for name in ("fx_alloc_unbound", "fx_notify", "fx_wait"):
            getattr(self.library, name).argtypes = [ctypes.c_void_p, ctypes.c_int]
        for name in ("fx_ring_put", "fx_ring_get"):
            getattr(self.library, name).argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32]
        self.library.fx_domain_create.argtypes = [ctypes.c_uint32, ctypes.c_ulong, ctypes.c_uint]
        self.library.fx_page_unmap = ctypes.CDLL(None).munmap
        self.library.fx_page_unmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        with open(self.world / "xenstored/ports", "rb") as file:
            self.ports = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self.interrupt = next(
            place for place in range(64, len(self.ports), 16)
            if struct.unpack_from("=I", self.ports, place + 4)[0] == 3)

    def wait(self):
        """Waits until the daemon has done what the last interrupt about domains called for."""
        end = time.monotonic() + PATIENCE
        while struct.unpack_from("=I", self.ports, self.interrupt)[0]:
            if time.monotonic() > end:
                raise TimeoutError("the daemon does not look at domains")
            time.sleep(0.0001)

    def shut_down(self, domain):
        self.library.fx_domain_set(domain, 1, 0, -1)

    def destroy(self, domain):
        self.library.fx_domain_destroy(domain)

    def destroy_together(self, domains):
        """All of them die, and one interrupt tells of that."""
        for domain in domains:
            self.library.fx_domain_remove(domain)
        self.library.fx_tell()

    def calls(self):
        """How often the daemon has called the hypervisor, and of how many domains it was told, by the kind of call."""
        words = struct.unpack(f"={2 * len(self.CALLS)}Q", (self.world / "calls").read_bytes())
        return dict(zip(self.CALLS, zip(words[::2], words[1::2])))


class Guest(Client):
    """A domain and its kernel. `leave` closes the kernel's side: the domain stays, and does nothing."""

    def __init__(self, xen, domain):
        super().__init__()
        self.xen = xen.library
        self.domain = domain
        self.xen.fx_domain_create(domain, 1 << 32 | domain, 0)
        self.end = self.xen.fx_end_open(domain)
        self.page = self.xen.fx_page_map(domain)
        if not self.end or not self.page:
            raise OSError(f"domain {domain} cannot be made")
        self.port = self.xen.fx_alloc_unbound(self.end, 0)
        self.buffer = ctypes.create_string_buffer(1024)

    def leave(self):
        self.xen.fx_end_close(self.end)
        self.xen.fx_page_unmap(self.page, 4096)

    def send(self, data):
        while data:
            if count := self.xen.fx_ring_put(self.page, data, len(data)):
                self.xen.fx_notify(self.end, self.port)
                data = data[count:]
            else:
                self.wait()

    def receive(self):
        if not (count := self.xen.fx_ring_get(self.page, self.buffer, 1024)):
            self.wait()
            count = self.xen.fx_ring_get(self.page, self.buffer, 1024)
        if count:
            self.xen.fx_notify(self.end, self.port)
        return self.buffer.raw[:count]

    def wait(self):
        if not self.xen.fx_wait(self.end, PATIENCE * 1000):
            raise TimeoutError(f"the daemon does not serve domain {self.domain}")
