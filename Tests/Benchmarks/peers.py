# SPDX-License-Identifier: Apache-2.0
"""The daemons that are measured: how each is started, and how one knows that it answers."""
import os
import pathlib
import socket
import struct
import subprocess
import time

XEN = pathlib.Path("/usr/lib/xen-4.17/bin")
SHIPPED = pathlib.Path(__file__).parents[2] / "etc"
# Debian's configuration of oxenstored, but for where its files go.
OXENSTORED = pathlib.Path("/etc/xen/oxenstored.conf")


PLAIN = """storage: memory
transports: [unix-socket, event-channel-ring]
policies: [permissions, quotas]
"""


# There is a libxenmanage, as from Xen 4.21 on. The other daemons do not know it.
MANAGE = {"FAKEXEN_MANAGE": "1"}
IN_MEMORY, LIBXENCTRL = "sxenstored in memory", "the same with libxenctrl"


class Peer:
    """One daemon, with a folder and sockets of its own."""

    def __init__(self, name, folder, command, environment=()):
        self.name = name
        self.folder = folder
        self.command = command
        self.environment = {**os.environ, "XENSTORED_RUNDIR": str(folder / "run"), **dict(environment)}
        self.socket = str(folder / "run/socket")
        self.world = str(folder / "world")
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def start(self, patience=10):
        """Starts it; returns the seconds until its first answer."""
        for part in ("run", "lib", "world"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        with open(self.folder / "output", "w") as output:
            begin = time.monotonic()
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() - begin > patience:
                raise RuntimeError(f"{self.name} does not start:\n{(self.folder / 'output').read_text()}")
            time.sleep(0.0002)
        return time.monotonic() - begin

    def answers(self):
        request = struct.pack("<IIII", 2, 0, 0, 2) + b"/\0"
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(self.socket)
                client.sendall(request)
                return len(client.recv(16)) == 16
        except (FileNotFoundError, ConnectionError):
            return False

    def stop(self, patience=5):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def settle(self, patience=10):
        """Waits until it does nothing any more: longer than what it may put off for a second."""
        begin = time.monotonic()
        busy, since = self.processor_time(), begin
        while time.monotonic() - since < 1.2 and time.monotonic() - begin < patience:
            time.sleep(0.05)
            if (now := self.processor_time()) != busy:
                busy, since = now, time.monotonic()

    def processor_time(self):
        """Nanoseconds, of all its threads."""
        tasks = pathlib.Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)

    def resident_kb(self):
        for line in open(f"/proc/{self.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0


def all_peers(ours, build, folder, before=None, in_memory=False):
    """The echo floor, ours, an earlier build of it, and those of the others that can run on this machine. `in_memory`:
    ours also without files, with each of the libraries that tell of domains."""
    floor = folder / "floor"
    peers = [Peer("floor", floor, [str(build / "echofloor"), str(floor / "run/socket")])]
    hypervisor = build / "libfakexen.so"
    if not hypervisor.exists():
        print("Without Tests/FakeXen there is no hypervisor: the other daemons and rings are left out.\n")
        alone = [ours, "--no-fork", "--config", str(SHIPPED / "sxenstored-standalone.yaml")]
        return peers + [Peer("sxenstored", folder / "ours", alone)]

    def simulated(name, command, environment=()):
        home = folder / name
        return Peer(name, home, command, {
            "LD_PRELOAD": str(hypervisor.resolve()), "FAKEXEN_DIR": str(home / "world"),
            "XENSTORED_ROOTDIR": str(home / "lib"), **dict(environment)})

    configuration = SHIPPED / "sxenstored.yaml"
    plain = folder / "plain.yaml"
    plain.write_text(PLAIN)
    if in_memory:
        command = [ours, "--no-fork", "--config", str(plain)]
        peers.append(simulated(IN_MEMORY, command, MANAGE))
        peers.append(simulated(LIBXENCTRL, command))
    if before:
        # An earlier build may not know all keys of today.
        configuration = plain
        peers.append(simulated("before", [before, "--no-fork", "--config", str(configuration)]))
    peers.append(simulated("sxenstored", [ours, "--no-fork", "--config", str(configuration)], MANAGE))
    if (XEN / "xenstored").exists():
        peers.append(simulated("C 4.17", [str(XEN / "xenstored"), "-N"]))
    if (XEN / "oxenstored").exists() and OXENSTORED.exists():
        home = folder / "OCaml 4.17"
        home.mkdir(parents=True)
        configuration = home / "conf"
        files = {"pid-file": "pid", "xenstored-log-file": "log", "access-log-file": "access"}
        kept = [line for line in OXENSTORED.read_text().splitlines() if line.split(" ")[0] not in files]
        configuration.write_text("\n".join(kept + [f"{key} = {home}/{name}" for key, name in files.items()]))
        peers.append(simulated(
            home.name, [str(XEN / "oxenstored"), "--no-fork", "--config-file", str(configuration)],
            {"FAKEXEN_SOCKET": str(home / "run/socket")}))
    return peers
