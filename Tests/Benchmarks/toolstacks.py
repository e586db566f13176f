# SPDX-License-Identifier: Apache-2.0
"""What toolstacks ask of the store for one VM, from its creation to its end.

The numbers of requests are xl's (262 with a disk and a network card) and those of LightVM's toolstack (42 with a
network card), which read no names. Which nodes they are is modelled after libxl and the Linux drivers, and not a
recording. To them come the answers of a guest at its ring, which are not counted as the toolstack's: the drivers'
watches, transactions and states.
"""
from guests import DIRECTORY, GET_PERMS, Guest

# Nodes of a device: those that both ends have besides the common ones.
DEVICES = {
    "vif": ("0", ("mac", "handle", "mtu", "xdp-headroom"),
            ("script", "mac", "bridge", "handle", "type", "rate", "hotplug-status")),
    "vbd": ("51712", ("virtual-device", "device-type"),
            ("params", "script", "physical-device", "mode", "type", "dev", "removable", "bootable", "discard-enable",
             "direct-io-safe"))}


class VM:
    """A running VM: its guest, and the tools that made it."""

    devices = ("vif",)

    def __init__(self, xen, tool, watcher, number):
        self.xen, self.tool, self.watcher, self.number = xen, tool, watcher, number
        self.home = f"/local/domain/{number}"
        self.mine = (f"n{number}", "r0")
        self.readable = ("n0", f"r{number}")
        self.requests = 0

    def ends(self, kind):
        handle = DEVICES[kind][0]
        return (f"{self.home}/device/{kind}/{handle}", f"/local/domain/0/backend/{kind}/{self.number}/{handle}")

    def create(self):
        before = self.tool.count + self.watcher.count
        self.guest = Guest(self.xen, self.number)
        self.make()
        self.tool.settle()
        self.watcher.settle()
        self.requests = self.tool.count + self.watcher.count - before

    def write_all(self, folder, names, transaction=0):
        for name in names:
            self.tool.write(f"{folder}/{name}", "value", transaction)

    def boot(self):
        """The guest's kernel and its drivers."""
        self.tool.settle()
        guest = self.guest
        for path in ("control/shutdown", "memory/target"):
            guest.watch(path)
        for kind in self.devices:
            front, back = self.ends(kind)
            front = front.removeprefix(self.home + "/")
            guest.read(front + "/backend-id")
            guest.watch(back + "/state")
            transaction = guest.start()
            for name, value in (("ring-ref", 8), ("event-channel", 9), ("state", 3)):
                guest.write(f"{front}/{name}", value, transaction)
            guest.commit(transaction)
            guest.write(front + "/state", 4)

    def connect_backends(self):
        for kind in self.devices:
            for state in (2, 4):
                self.tool.write(self.ends(kind)[1] + "/state", state)

    def shut_down(self):
        """Everything up to the moment when the guest is down."""
        self.tool.write(self.home + "/control/shutdown", "poweroff")
        for kind in self.devices:
            for state in (5, 6):
                for end in self.ends(kind):
                    self.tool.write(end + "/state", state)

    def remove(self):
        """What is to be done when the guest is down: its nodes go, then the domain."""
        for kind in self.devices:
            self.watcher.unwatch(self.ends(kind)[1] + "/state")
            self.tool.remove(self.ends(kind)[1].rpartition("/")[0])
        self.tool.remove(self.home)
        self.tool.release(self.number)
        self.guest.leave()


class LightVM(VM):
    """A toolstack as LightVM's: no transactions, no tools, 42 requests."""

    REQUESTS = 42

    def make(self):
        tool = self.tool
        tool.write(self.home, "")
        tool.permit(self.home, self.readable)
        self.write_all(self.home, (
            "name", "domid", "vm", "memory/target", "memory/static-max", "store/port", "store/ring-ref",
            "console/port", "console/ring-ref", "console/type"))
        for name in ("device", "control/shutdown"):
            tool.write(f"{self.home}/{name}", "")
            tool.permit(f"{self.home}/{name}", self.mine)
        front, back = self.ends("vif")
        tool.write(front, "")
        tool.permit(front, self.mine)
        tool.write(back, "")
        tool.permit(back, self.readable)
        self.write_all(front, ("backend", "backend-id", "state", "mac", "handle"))
        self.write_all(back, (
            "frontend", "frontend-id", "online", "state", "mac", "handle", "bridge", "script", "hotplug-status"))
        self.watcher.watch(back + "/state")
        tool.introduce(self.guest)
        self.boot()
        self.connect_backends()
        tool.write(f"{self.home}/control/platform-feature", "1")
        tool.permit(f"{self.home}/control/platform-feature", self.mine)
        for name in ("name", "domid"):
            tool.read(f"{self.home}/{name}")


class XL(VM):
    """libxl, its hotplug scripts and xenconsoled: 262 requests, without the names of others that `xl create` reads."""

    REQUESTS = 262
    devices = ("vif", "vbd")

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.vm = f"/vm/00000000-0000-0000-0000-{self.number:012}"
        self.own = f"/libxl/{self.number}"

    def make(self):
        self.make_domain()
        self.make_console()
        for kind in self.devices:
            self.make_device(kind)
        self.tool.introduce(self.guest)
        self.boot()
        for kind in self.devices:
            self.plug(kind)
        self.connect_backends()
        self.look()

    def make_domain(self):
        tool = self.tool
        transaction = tool.start()
        tool.remove(self.home, transaction)
        for folder, rights in ((self.home, self.readable), (self.vm, ("n0",)), (self.own, ("n0",))):
            tool.make(folder, transaction)
            tool.permit(folder, rights, transaction)
        for name in ("vm", "name"):
            tool.write(f"{self.home}/{name}", self.vm, transaction)
        for name in ("cpu", "memory", "device", "control", "hvmloader", "data", "drivers", "feature", "attr", "error",
                     "control/shutdown", "control/feature-poweroff", "control/feature-reboot",
                     "control/feature-suspend", "control/sysrq", "device/suspend/event-channel"):
            tool.make(f"{self.home}/{name}", transaction)
            tool.permit(f"{self.home}/{name}", self.mine, transaction)
        self.write_all(self.vm, ("name", "uuid", "image/ostype", "image/kernel", "image/ramdisk", "image/cmdline",
                                 "start_time", "rtc/timeoffset", "pool_name"), transaction)
        self.write_all(self.own, ("type", "dm-version", "uuid", "name", "event-channel", "suspend-cancel"), transaction)
        tool.commit(transaction)
        transaction = tool.start()
        for name in (
            "domid", "store/port", "store/ring-ref", "memory/static-max", "memory/target", "memory/videoram",
            *(f"cpu/{number}/availability" for number in range(4)), "control/platform-feature-multiprocessor-suspend",
            "control/platform-feature-xs_reset_watches"):
            tool.write(f"{self.home}/{name}", "value", transaction)
            tool.permit(f"{self.home}/{name}", self.readable, transaction)
        tool.commit(transaction)

    def make_console(self):
        tool = self.tool
        transaction = tool.start()
        tool.make(self.home + "/console", transaction)
        tool.permit(self.home + "/console", self.mine, transaction)
        for name in ("backend", "backend-id", "limit", "type", "output", "tty", "port", "ring-ref"):
            tool.write(f"{self.home}/console/{name}", "value", transaction)
            tool.permit(f"{self.home}/console/{name}", self.readable, transaction)
        back = f"/local/domain/0/backend/console/{self.number}/0"
        tool.make(back, transaction)
        tool.permit(back, self.readable, transaction)
        self.write_all(back, ("frontend", "frontend-id", "online", "state", "protocol"), transaction)
        tool.commit(transaction)
        self.watcher.watch(self.home + "/console")
        self.watcher.read(self.home + "/console/ring-ref")
        self.watcher.read(self.home + "/console/port")
        self.watcher.write(self.home + "/console/tty", "/dev/pts/1")

    def make_device(self, kind):
        tool = self.tool
        front, back = self.ends(kind)
        handle, of_front, of_back = DEVICES[kind]
        copy = f"{self.own}/device/{kind}/{handle}"
        tool.do(GET_PERMS, f"{self.home}\0".encode())
        transaction = tool.start()
        for folder, rights in ((front, self.mine), (back, self.readable), (copy, ("n0",))):
            tool.make(folder, transaction)
            tool.permit(folder, rights, transaction)
        ours = ("frontend", "frontend-id", "online", "state", *of_back)
        self.write_all(front, ("backend", "backend-id", "state", *of_front), transaction)
        self.write_all(back, ours, transaction)
        self.write_all(copy, ("frontend", "backend", *ours), transaction)
        tool.commit(transaction)
        self.watcher.watch(back + "/state")

    def plug(self, kind):
        """A hotplug script, and the toolstack that waits for it."""
        tool = self.tool
        front, back = self.ends(kind)
        for name in ("script", "type", "state", "online", "frontend", "frontend-id"):
            tool.read(f"{back}/{name}")
        for name in ("backend-id", "state", "backend"):
            tool.read(f"{front}/{name}")
        for name in ("sector-size", "feature-flush", "feature-persistent", "hotplug-status", "hotplug-error"):
            tool.write(f"{back}/{name}", "connected")
        tool.read(back + "/hotplug-status")
        tool.remove(back + "/hotplug-error")

    def look(self):
        """What xl reads of a domain that it has made."""
        for name in ("name", "domid", "vm", "memory/target", "console/tty", "control/shutdown"):
            self.tool.read(f"{self.home}/{name}")
        for name in ("name", "uuid", "start_time", "image/ostype"):
            self.tool.read(f"{self.vm}/{name}")
        for name in ("type", "dm-version", "uuid", "name", "event-channel", "suspend-cancel"):
            self.tool.read(f"{self.own}/{name}")
        for kind in self.devices:
            for end in self.ends(kind):
                self.tool.do(DIRECTORY, end.encode() + b"\0")
                self.tool.read(end + "/state")

    def remove(self):
        tool = self.tool
        for kind in self.devices:
            _, back = self.ends(kind)
            tool.read(back + "/state")
            transaction = tool.start()
            tool.remove(f"{self.own}/device/{kind}", transaction)
            tool.commit(transaction)
        self.watcher.unwatch(self.home + "/console")
        tool.remove(f"/local/domain/0/backend/console/{self.number}")
        super().remove()
        tool.remove(self.vm)
        tool.remove(self.own)
