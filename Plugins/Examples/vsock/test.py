# SPDX-License-Identifier: Apache-2.0
"""python3 test.py vsock.so, with DAEMON: the plugin in a daemon that runs."""

import os
import resource
import socket
import subprocess
import sys
import threading
import time

from daemon import PATIENCE, Client, DaemonTest, Readme, main

PLUGIN = sys.argv.pop(1)
NOBODY = 65534
PORT = 7000


def configuration(keys):
    return (f"plugins: [{PLUGIN}]\ntransports:\n  - unix-socket\n  - vsock: {{{keys}}}\n"
            "storage: memory\npolicies: [permissions]\n")


class VsockTest(DaemonTest):
    def setUp(self):
        super().setUp()
        # The names of abstract sockets belong to the whole machine.
        self.name = f"sxenstored-example-{os.getpid()}-{self.id()}"[:100]

    def programs(self, keys="users: [0]", **environment):
        return self.start(configuration(f"socket: {self.name}, {keys}"), **environment)

    def connect(self):
        return Client.of("\0" + self.name)

    def test_the_daemon_tries_it(self):
        self.trial(PLUGIN, f"transports.vsock.socket={self.name}")

    # The abstract socket

    def test_debian_clients_use_it_through_socat(self):
        daemon = self.programs()
        bridge = self.file("bridge")
        relay = subprocess.Popen(["socat", f"UNIX-LISTEN:{bridge},fork", f"ABSTRACT-CONNECT:{self.name}"])
        self.addCleanup(relay.wait)
        self.addCleanup(relay.kill)
        while not os.path.exists(bridge):
            self.assertIsNone(relay.poll())
            time.sleep(0.01)
        self.assertEqual(daemon.tool("xenstore-write", "/greeting", "hello", path=bridge).returncode, 0)
        self.assertEqual(daemon.tool("xenstore-read", "/greeting", path=bridge).stdout, "hello\n")
        self.assertIn('greeting = "hello"', daemon.tool("xenstore-ls", path=bridge).stdout)
        self.assertEqual(daemon.tool("xenstore-read", "/greeting").stdout, "hello\n")

    def test_other_users_are_turned_away(self):
        daemon = self.programs("users: [65533]")
        self.assertTrue(self.connect().is_closed())
        daemon.configure(configuration(f"socket: {self.name}, users: [0]"))
        daemon.reload()
        self.assertEqual(self.connect().read("/none"), "ENOENT")

    def test_a_user_is_told_by_the_kernel(self):
        self.programs(f"users: [{NOBODY}], domain: 3")
        if os.getuid() != 0:
            self.skipTest("only root can be another user")
        request = b"\2\0\0\0" + 8 * b"\0" + b"\6\0\0\0/none\0"
        outcome = subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "socat", "-",
             f"ABSTRACT-CONNECT:{self.name}"], input=request, capture_output=True, timeout=PATIENCE)
        self.assertEqual(outcome.stdout[16:], b"EACCES\0", outcome.stderr)
        self.assertTrue(self.connect().is_closed())

    def test_a_program_has_the_rights_of_its_domain(self):
        daemon = self.programs("users: [0], domain: 3")
        dom0 = daemon.connect()
        self.assertEqual(dom0.write("/local/domain/3/name", "web"), b"OK\0")
        self.assertEqual(dom0.ask("SET_PERMS", "/local/domain/3/name", "n3", ""), b"OK\0")
        self.assertEqual(self.connect().read("name"), b"web")
        self.assertEqual(self.connect().write("/mine", "x"), "EACCES")

    def test_a_slow_reader_gets_everything(self):
        daemon = self.programs()
        big = "x" * 4000
        self.assertEqual(daemon.connect().write("/big", big), b"OK\0")
        client = self.connect()

        def ask():
            for _ in range(300):
                client.send("READ", "/big", "")
            # It sends nothing more, and still reads.
            client.socket.shutdown(socket.SHUT_WR)

        # The daemon stops reading when the client does not read, so another thread sends.
        sender = threading.Thread(target=ask)
        sender.start()
        self.addCleanup(sender.join)
        for _ in range(300):
            self.assertEqual(client.receive()[1], big.encode())
        self.assertIsNone(client.receive())

    def test_a_client_that_breaks_the_protocol_is_closed(self):
        daemon = self.programs()
        client = self.connect()
        client.socket.sendall(b"\xff" * 16)
        self.assertTrue(client.is_closed())
        self.assertEqual(self.connect().read("/none"), "ENOENT")

    def test_a_client_may_go_at_any_time(self):
        daemon = self.programs()
        for count in range(1, 30):
            client = self.connect()
            client.socket.sendall((b"\2\0\0\0" + 8 * b"\0" + b"\6\0\0\0/none\0")[:count])
            client.close()
        self.assertEqual(self.connect().read("/none"), "ENOENT")
        self.assertNotIn("is wrong", daemon.log)

    def test_too_many_clients_are_turned_away(self):
        self.programs("connections: 2")
        first, second = self.connect(), self.connect()
        self.assertEqual(first.read("/none"), "ENOENT")
        self.assertEqual(second.read("/none"), "ENOENT")
        self.assertTrue(self.connect().is_closed())
        first.close()
        second.socket.shutdown(socket.SHUT_WR)
        self.assertIsNone(second.receive())
        self.assertEqual(self.connect().read("/none"), "ENOENT")

    def test_without_descriptors_it_rests(self):
        daemon = self.programs()
        process = daemon.process.pid
        used = len(os.listdir(f"/proc/{process}/fd"))
        before = resource.prlimit(process, resource.RLIMIT_NOFILE)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (used + 1, before[1]))
        first, second = self.connect(), self.connect()
        self.assertEqual(first.read("/none"), "ENOENT")
        daemon.wait_for("vsock: cannot accept a client: Too many open files; tries again")
        def worked():
            with open(f"/proc/{process}/stat") as file:
                return sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
        start = worked()
        time.sleep(0.5)
        self.assertLess(worked() - start, 5, "ticks of 10 ms: it does not turn in circles")
        self.assertEqual(first.read("/none"), "ENOENT")
        resource.prlimit(process, resource.RLIMIT_NOFILE, before)
        self.assertEqual(second.read("/none"), "ENOENT")
        self.assertEqual(daemon.log.count("cannot accept"), 1)

    def test_the_name_is_free_after_the_end(self):
        for _ in range(2):
            daemon = self.programs()
            client = self.connect()
            self.assertEqual(client.read("/none"), "ENOENT")
            self.assertEqual(daemon.stop(), 0)
            self.assertNotIn("descriptors after its end", daemon.log)

    def test_a_name_that_is_taken_ends_the_start(self):
        with socket.socket(socket.AF_UNIX) as other:
            other.bind("\0" + self.name)
            text = self.refusal(configuration(f"socket: {self.name}"))
        self.assertIn("listen on the abstract socket", text)
        self.assertIn("Address already in use", text)

    # vsock

    def guests(self, keys):
        """A daemon with a vsock port, on a simulated host."""
        library = self.file("fake-vsock.so")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake-vsock.c")
        subprocess.run(
            ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, source],
            check=True)
        return self.start(configuration(f"port: {PORT}, {keys}"), LD_PRELOAD=library, FAKE_VSOCK=self.name)

    def guest(self, cid):
        connected = socket.socket(socket.AF_UNIX)
        connected.bind(f"\0{cid}:{self.name}:{time.monotonic_ns()}")
        connected.settimeout(PATIENCE)
        connected.connect(f"\0{self.name}:{PORT}")
        return Client(connected)

    def test_a_guest_is_known_by_its_cid(self):
        daemon = self.guests("guests: [7=1, 8=2]")
        dom0 = daemon.connect()
        for domain in 1, 2:
            path = f"/local/domain/{domain}/name"
            self.assertEqual(dom0.write(path, f"guest {domain}"), b"OK\0")
            self.assertEqual(dom0.ask("SET_PERMS", path, f"n{domain}", ""), b"OK\0")
        self.assertEqual(self.guest(7).read("name"), b"guest 1")
        self.assertEqual(self.guest(8).read("name"), b"guest 2")
        self.assertEqual(self.guest(8).read("/local/domain/1/name"), "EACCES")

    def test_a_guest_that_is_not_listed_is_turned_away(self):
        daemon = self.guests("guests: [7=1]")
        self.assertTrue(self.guest(9).is_closed())
        daemon.configure(configuration(f"port: {PORT}, guests: [9=4]"))
        daemon.reload()
        self.assertEqual(self.guest(9).read("/none"), "EACCES")
        self.assertTrue(self.guest(7).is_closed())

    def test_a_changed_port_needs_a_restart(self):
        daemon = self.guests("guests: [7=1]")
        daemon.configure(configuration(f"port: {PORT + 1}, guests: [9=4]"))
        daemon.reload("transports.vsock.port: can change only with a restart")
        self.assertEqual(self.guest(7).read("/none"), "EACCES")

    def test_wrong_guests_have_their_place_in_the_file(self):
        for guest, problem in [
            ("seven", "must be CID=DOMAIN"), ("7=", "must be CID=DOMAIN"), ("=1", "must be CID=DOMAIN"),
            ("7=1x", "must be CID=DOMAIN"), ("7=99999", "must be CID=DOMAIN"), ("4294967295=1", "must be CID=DOMAIN"),
            ("1=1", "has a CID that no guest can have"), ("7=0", "names domain 0, whose rights no guest may have"),
            ("7=1, 7=2", "names a CID for the second time"),
        ]:
            with self.subTest(guest):
                text = self.refusal(configuration(f"port: {PORT}, guests: [{guest}]"))
                self.assertRegex(text, r"sxenstored\.yaml:4:\d+: transports\.vsock\.guests: '.*' " + problem)

    def test_the_machines_own_vsock(self):
        """A client on this machine needs the loopback of vsock, the module vsock_loopback."""
        try:
            probe = socket.socket(socket.AF_VSOCK)
            probe.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
        except OSError as error:
            self.skipTest(f"no vsock: {error}")
        with probe, socket.socket(socket.AF_VSOCK) as client:
            probe.listen()
            client.settimeout(1)
            port = probe.getsockname()[1]
            try:
                client.connect((1, port))
            except OSError as error:
                reason = f"this machine's vsock has no loopback: {error}"
            else:
                reason = None
        # Without loopback, the daemon can at least listen.
        self.start(configuration(f"port: {port}, guests: [7=1]"))
        if reason:
            self.skipTest(reason)
        # The loopback's CID is 1, which no guest can have.
        self.assertTrue(Client.of((1, port), socket.AF_VSOCK).is_closed())


class ReadmeTest(Readme, DaemonTest):
    plugin = "vsock"
    places = {"/usr/lib/sxenstored/plugins/vsock.so": PLUGIN}


if __name__ == "__main__":
    main()
