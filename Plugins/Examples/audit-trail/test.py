# SPDX-License-Identifier: Apache-2.0
"""python3 test.py, with DAEMON: the daemon of this package, and Debian's clients."""

import json
import os
import resource
import socket
import stat

from daemon import DaemonTest, Readme, main


class AuditTest(DaemonTest):
    def configuration(self, keys="requests: all", transports="unix-socket, read-only-socket"):
        return (f"transports: [{transports}]\nstorage: memory\n"
                f"policies:\n  - permissions\n  - audit-trail: {{path: {self.path}, {keys}}}\n")

    def setUp(self):
        super().setUp()
        self.path = self.file("audit.jsonl")

    def lines(self, path=None):
        """Every line of the file, which must all be JSON."""
        with open(path or self.path, encoding="ascii") as file:
            return [json.loads(line) for line in file]

    def short(self, path=None):
        return [(line["operation"], line.get("path"), line.get("error")) for line in self.lines(path)]

    def test_each_request_has_a_line_with_who_and_what(self):
        daemon = self.start(self.configuration())
        self.assertEqual(daemon.tool("xenstore-write", "/a/b", "secret").returncode, 0)
        self.assertEqual(daemon.tool("xenstore-read", "/a/b").stdout, "secret\n")
        self.assertNotEqual(daemon.tool("xenstore-read", "/none").returncode, 0)
        written = next(line for line in self.lines() if line["operation"] == "WRITE")
        self.assertRegex(written["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertEqual((written["transport"], written["domain"], written["path"]), ("unix-socket", 0, "/a/b"))
        self.assertNotIn("error", written)
        self.assertIn(("READ", "/none", "ENOENT"), self.short())
        read, refused = [line for line in self.lines() if line["operation"] == "READ"]
        self.assertNotEqual(read["connection"], refused["connection"])
        with open(self.path) as file:
            self.assertNotIn("secret", file.read(), "values are never written")

    def test_changes_are_the_default(self):
        daemon = self.start(self.configuration("mode: 0640"))
        client = daemon.connect()
        client.read("/none")
        client.write("/a", "x")
        client.ask("RM", "/none/x", "")
        self.assertEqual(self.short(), [("WRITE", "/a", None), ("RM", "/none/x", "ENOENT")])
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o640)

    def test_a_line_is_there_before_the_answer(self):
        client = self.start(self.configuration()).connect()
        for number in range(100):
            client.write(f"/n{number}", "x")
            self.assertEqual(self.lines()[-1]["path"], f"/n{number}")

    def test_a_kill_loses_no_line(self):
        daemon = self.start(self.configuration())
        client = daemon.connect()
        for number in range(100):
            self.assertEqual(client.write(f"/n{number}", "x"), b"OK\0")
        daemon.stop(9)
        self.assertEqual(len(self.lines()), 100)

    def test_no_client_can_write_a_line_of_its_own(self):
        client = self.start(self.configuration()).connect()
        path = '/a"}\n{"time":"x\\\x1f\x7f'.encode() + b"\xff\x00"
        client.send("READ", path)
        client.receive()
        # A byte that is not printable ASCII is the character with its number.
        self.assertEqual(self.lines()[0]["path"].encode("latin-1"), path[:-1])

    def test_an_unknown_operation_has_its_number(self):
        client = self.start(self.configuration("requests: changes")).connect()
        self.assertEqual(client.ask(99), "ENOSYS")
        self.assertEqual(self.short(), [(99, None, "ENOSYS")])

    def test_refused_requests_alone(self):
        daemon = self.start(self.configuration("requests: refused"))
        client = daemon.connect()
        client.write("/a", "x")
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(self.file("socket_ro"))
            type(client)(plain).write("/a", "y")
        self.assertEqual([(line["transport"], line["error"]) for line in self.lines()], [("read-only-socket", "EROFS")])

    def test_a_renamed_file_is_made_again_by_sighup(self):
        daemon = self.start(self.configuration())
        client = daemon.connect()
        client.write("/a", "x")
        os.rename(self.path, self.path + ".1")
        client.write("/b", "x")
        daemon.reload()
        client.write("/c", "x")
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        self.assertEqual(self.short(self.path + ".1"), [("WRITE", "/a", None), ("WRITE", "/b", None)])
        self.assertEqual(self.short(), [("WRITE", "/c", None)])

    def test_a_new_path_that_cannot_be_opened_leaves_the_old_one(self):
        daemon = self.start(self.configuration())
        client = daemon.connect()
        good, self.path = self.path, "/none/audit.jsonl"
        daemon.configure(self.configuration())
        daemon.reload("audit-trail.path: cannot open /none/audit.jsonl: No such file or directory")
        client.write("/a", "x")
        self.assertEqual(len(self.lines(good)), 1)
        self.path = self.file("other.jsonl")
        daemon.configure(self.configuration("requests: changes"))
        daemon.reload(f"audit-trail.path: {good} -> {self.path}; applied")
        client.write("/b", "x")
        self.assertEqual(self.short(), [("WRITE", "/b", None)])

    def test_a_full_disk_loses_lines_and_says_how_many(self):
        daemon = self.start(self.configuration())
        client = daemon.connect()
        limit = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (1000, limit[1]))
        for number in range(50):
            self.assertEqual(client.write(f"/n{number}", "x"), b"OK\0", "the store works without a trail")
        daemon.wait_for(f"audit-trail: cannot write {self.path}: ")
        before = self.lines()
        self.assertLess(len(before), 50)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, limit)
        client.write("/after", "x")
        self.assertEqual(self.lines()[:-2], before)
        gap, last = self.lines()[-2:]
        self.assertEqual(gap["lost"], 50 - len(before))
        self.assertEqual(last["path"], "/after")
        daemon.wait_for(f"the file works again; {gap['lost']} lines are missing")
        self.assertEqual(daemon.log.count("requests go on without a line"), 1)

    def test_a_daemon_without_its_file_does_not_start(self):
        self.path = "/none/audit.jsonl"
        self.assertRegex(
            self.refusal(self.configuration()),
            r"sxenstored\.yaml:5:\d+: policies\.audit-trail\.path: cannot open /none/audit.jsonl: No such file")
        for make in os.mkdir, os.mkfifo:
            self.path = self.file(make.__name__)
            make(self.path)
            self.assertRegex(self.refusal(self.configuration()), "policies.audit-trail.path: ")
        self.path = self.file("link")
        os.symlink("/etc/passwd", self.path)
        self.assertRegex(self.refusal(self.configuration()), "policies.audit-trail.path: ")


class ReadmeTest(Readme, DaemonTest):
    plugin = "audit-trail"


if __name__ == "__main__":
    main()
