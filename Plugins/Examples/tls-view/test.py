# SPDX-License-Identifier: Apache-2.0
"""python3 test.py, with DAEMON: the daemon of this package; openssl, and Debian's clients through socat."""

import os
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

from daemon import PATIENCE, Client, DaemonTest, Readme, main


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Authority:
    """A certificate authority in a folder, by openssl."""

    def __init__(self, folder, name):
        self.folder = folder
        self.name = name
        self.sign(name, "basicConstraints=critical,CA:TRUE", authority=False)

    def file(self, name):
        return os.path.join(self.folder, name)

    def sign(self, name, *extensions, authority=True):
        signed = ["-CA", self.file(f"{self.name}.pem"), "-CAkey", self.file(f"{self.name}.key")] if authority else []
        more = [part for extension in extensions for part in ("-addext", extension)]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", f"/CN={name}", "-keyout", self.file(f"{name}.key"), "-out", self.file(f"{name}.pem"),
             *signed, *more], check=True, capture_output=True)


class TLSTest(DaemonTest):
    @classmethod
    def setUpClass(cls):
        cls.keys = tempfile.mkdtemp(prefix="sxenstored-example-keys-")
        cls.addClassCleanup(shutil.rmtree, cls.keys)
        cls.authority = Authority(cls.keys, "authority")
        for name in "server", "renewed", "client":
            cls.authority.sign(name, "basicConstraints=CA:FALSE", "subjectAltName=DNS:server")
        Authority(cls.keys, "others").sign("stranger", "basicConstraints=CA:FALSE")

    def configuration(self, keys="domain: 0", **files):
        files = {"certificate": "server.pem", "key": "server.key", "ca": "authority.pem"} | files
        places = ", ".join(f"{key}: {os.path.join(self.keys, file)}" for key, file in files.items())
        return (f"transports:\n  - unix-socket\n  - tls-view: {{port: {self.port}, {places}, {keys}}}\n"
                "storage: memory\npolicies: [permissions]\n")

    def setUp(self):
        super().setUp()
        self.port = free_port()

    def view(self, keys="domain: 0"):
        return self.start(self.configuration(keys))

    def context(self, name="client"):
        context = ssl.create_default_context(cafile=self.authority.file("authority.pem"))
        if name:
            context.load_cert_chain(self.authority.file(f"{name}.pem"), self.authority.file(f"{name}.key"))
        return context

    def connect(self, name="client"):
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        return Client(self.context(name).wrap_socket(plain, server_hostname="server"))

    def openssl(self, request, *options):
        """What the server answers to a request through openssl's own client."""
        with subprocess.Popen(
            ["openssl", "s_client", "-quiet", "-no_ign_eof", "-connect", f"127.0.0.1:{self.port}", "-CAfile",
             self.authority.file("authority.pem"), "-verify_return_error", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
            timer = threading.Timer(PATIENCE, client.kill)
            timer.start()
            try:
                client.stdin.write(request)
                client.stdin.flush()
                answer = client.stdout.read(16)
                answer += client.stdout.read(struct.unpack("<IIII", answer)[3]) if len(answer) == 16 else b""
                client.stdin.close()
            except BrokenPipeError:
                # The server has sent it away before it could ask.
                answer = b""
                client.stdin = None
            client.wait()
            timer.cancel()
        return answer[16:]

    def bridge(self):
        """A unix socket whose clients socat connects to the view."""
        bridge = self.file("bridge")
        key = self.authority.file
        relay = subprocess.Popen(
            ["socat", f"UNIX-LISTEN:{bridge},fork", f"OPENSSL:127.0.0.1:{self.port},cert={key('client.pem')},"
             f"key={key('client.key')},cafile={key('authority.pem')},commonname=server"])
        self.addCleanup(relay.wait)
        self.addCleanup(relay.kill)
        while not os.path.exists(bridge):
            self.assertIsNone(relay.poll())
            time.sleep(0.01)
        return bridge

    # Who may read

    def test_debian_clients_read_through_socat(self):
        daemon = self.view()
        daemon.tool("xenstore-write", "/local/domain/1/name", "web")
        bridge = self.bridge()
        self.assertEqual(daemon.tool("xenstore-read", "/local/domain/1/name", path=bridge).stdout, "web\n")
        listing = daemon.tool("xenstore-ls", "-f", path=bridge).stdout
        self.assertEqual(listing, daemon.tool("xenstore-ls", "-f").stdout)
        self.assertIn("/local/domain/1/name", listing)
        refused = daemon.tool("xenstore-write", "/a", "x", path=bridge)
        self.assertNotEqual(refused.returncode, 0)
        self.assertNotEqual(daemon.tool("xenstore-exists", "/a").returncode, 0)

    def test_openssl_reads_with_a_certificate_only(self):
        daemon = self.view()
        daemon.tool("xenstore-write", "/greeting", "hello")
        read = struct.pack("<IIII", 2, 1, 0, 10) + b"/greeting\0"
        key = self.authority.file
        for version in "-tls1_2", "-tls1_3":
            good = self.openssl(read, version, "-cert", key("client.pem"), "-key", key("client.key"))
            self.assertEqual(good, b"hello")
            self.assertEqual(self.openssl(read, version), b"")
            stranger = self.openssl(read, version, "-cert", key("stranger.pem"), "-key", key("stranger.key"))
            self.assertEqual(stranger, b"")
        self.assertEqual(daemon.log.count(" reads\n"), 2, "the two with a good certificate")

    def test_nobody_changes_anything(self):
        daemon = self.view()
        client = self.connect()
        self.assertEqual(client.write("/a", "x"), "EROFS")
        self.assertEqual(client.ask("RM", "/tool", ""), "EROFS")
        self.assertEqual(daemon.connect().read("/a"), "ENOENT")

    def test_a_view_of_one_domain(self):
        daemon = self.view("domain: 4")
        dom0 = daemon.connect()
        dom0.write("/local/domain/4/name", "web")
        dom0.ask("SET_PERMS", "/local/domain/4/name", "n4", "")
        dom0.write("/secret", "x")
        client = self.connect()
        self.assertEqual(client.read("name"), b"web")
        self.assertEqual(client.read("/secret"), "EACCES")
        self.assertEqual(client.write("name", "x"), "EROFS")

    # Bytes

    def test_watches_reach_other_hosts(self):
        daemon = self.view()
        client = self.connect()
        self.assertEqual(client.ask(4, "/a", "token", ""), b"OK\0")
        self.assertEqual(client.receive(), (15, b"/a\0token\0"))
        daemon.connect().write("/a/b", "x")
        self.assertEqual(client.receive(), (15, b"/a/b\0token\0"))

    def test_bytes_that_come_one_by_one(self):
        self.view()
        client = self.connect()
        for byte in struct.pack("<IIII", 2, 1, 0, 6) + b"/none\0":
            client.socket.send(bytes([byte]))
        self.assertEqual(client.receive()[1], b"ENOENT\0")

    def test_a_slow_reader_gets_everything_and_holds_nobody_up(self):
        daemon = self.view("memory: 0")
        dom0 = daemon.connect()
        dom0.write("/big", "x" * 4000)
        request = struct.pack("<IIII", 2, 1, 0, 5) + b"/big\0"
        count = 20_000
        connected = self.connect()
        client = connected.socket
        client.setblocking(False)
        # It sends and does not read, until the daemon does no more for it.
        left = self.push(client, request * count, patience=0.5)
        before, memory = 0, 1
        while memory != before:
            time.sleep(0.2)
            before, memory = memory, self.memory(daemon)
        self.assertLess(memory, 60_000, "KiB: what the client does not take is not made yet")
        for _ in range(100):
            self.assertEqual(dom0.read("/big"), b"x" * 4000)
        received = 0
        while received < count * 4016:
            left = self.push(client, left, patience=0)
            try:
                received += len(client.recv(1 << 20))
            except ssl.SSLWantReadError:
                select.select([client], [], [], PATIENCE)
        self.assertEqual(received, count * 4016)
        self.assertEqual(left, b"")

    def memory(self, daemon):
        """KiB."""
        with open(f"/proc/{daemon.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    def push(self, client, data, patience):
        """Sends while the other side takes bytes. Returns the rest."""
        while data:
            try:
                data = data[client.send(data[:4096]):]
            except ssl.SSLWantWriteError:
                if not select.select([], [client], [], patience)[1]:
                    break
        return data

    def test_a_client_that_breaks_the_protocol_is_closed(self):
        self.view()
        client = self.connect()
        client.socket.sendall(b"\xff" * 16)
        self.assertTrue(client.is_closed())
        self.assertEqual(self.connect().read("/none"), "ENOENT")

    def test_a_client_may_go_at_any_time(self):
        daemon = self.view()
        request = struct.pack("<IIII", 2, 1, 0, 6) + b"/none\0"
        for count in range(1, len(request) + 1):
            client = self.connect()
            client.socket.sendall(request[:count])
            client.close()
        self.assertEqual(self.connect().read("/none"), "ENOENT")
        self.assertIsNone(daemon.process.poll())

    # Bounds

    def test_a_client_without_a_handshake_is_sent_away(self):
        self.view("patience: 100ms")
        for text in b"", b"GET / HTTP/1.0\r\n\r\n", os.urandom(1000):
            with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as plain:
                plain.sendall(text)
                try:
                    while plain.recv(4096):
                        pass
                except ConnectionError:
                    pass
        self.assertEqual(self.connect().read("/none"), "ENOENT")

    def test_too_many_clients_are_turned_away(self):
        self.view("connections: 2")
        first, second = self.connect(), self.connect()
        self.assertEqual(first.read("/none"), "ENOENT")
        self.assertEqual(second.read("/none"), "ENOENT")
        with self.assertRaises(OSError):
            self.connect()
        first.close()
        self.eventually(lambda: self.connect().read("/none"))
        self.assertEqual(second.read("/none"), "ENOENT")

    def eventually(self, action):
        """Tries again while the connection fails: the server may not have seen the end of another one."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return action()
            except OSError:
                if time.monotonic() > end:
                    raise

    # Its life

    def test_sighup_takes_a_renewed_certificate(self):
        daemon = self.view()
        old = self.connect()

        def name(client):
            return dict(part[0] for part in client.socket.getpeercert()["subject"])["commonName"]

        self.assertEqual(name(old), "server")
        daemon.configure(self.configuration(certificate="renewed.pem", key="renewed.key"))
        daemon.reload()
        self.assertEqual(name(self.connect()), "renewed")
        self.assertEqual(old.read("/none"), "ENOENT", "open connections go on")
        daemon.configure(self.configuration(certificate="renewed.pem", key="client.key"))
        daemon.reload("tls-view.key: does not belong to the certificate")
        self.assertEqual(name(self.connect()), "renewed")
        port, self.port = self.port, free_port()
        daemon.configure(self.configuration())
        daemon.reload("tls-view.port: can change only with a restart")
        self.port = port
        self.assertEqual(name(self.connect()), "renewed")

    def test_the_end_closes_everything(self):
        daemon = self.view()
        clients = [self.connect() for _ in range(5)]
        self.assertEqual(clients[0].read("/none"), "ENOENT")
        self.assertEqual(daemon.stop(), 0)
        self.assertTrue(all(client.is_closed() for client in clients))
        with self.assertRaises(ConnectionError):
            socket.create_connection(("127.0.0.1", self.port))

    def test_wrong_files_have_their_place_in_the_configuration(self):
        for files, problem in [
            ({"certificate": "none.pem"}, r"certificate: cannot read .*none.pem: No such file or directory"),
            ({"certificate": "server.key"}, r"certificate: .*server.key has no certificates in PEM"),
            ({"ca": "server.key"}, r"ca: .*server.key has no certificates in PEM"),
            ({"key": "server.pem"}, r"key: "),
            ({"key": "client.key"}, r"key: does not belong to the certificate"),
        ]:
            with self.subTest(files):
                text = self.refusal(self.configuration(**files))
                self.assertRegex(text, r"sxenstored\.yaml:3:\d+: transports\.tls-view\." + problem)

    def test_a_port_that_is_taken_ends_the_start(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.port))
            other.listen()
            text = self.refusal(self.configuration())
        self.assertRegex(text, f"listen on 127.0.0.1, port {self.port}: .*in use")


class ReadmeTest(Readme, DaemonTest):
    plugin = "tls-view"

    def setUp(self):
        super().setUp()
        Authority(self.folder, "ca").sign("server")
        self.places = {f"/etc/xen/view/{name}": self.file(name) for name in ("server.pem", "server.key", "ca.pem")}


if __name__ == "__main__":
    main()
