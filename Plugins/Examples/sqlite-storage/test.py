# SPDX-License-Identifier: Apache-2.0
"""python3 test.py sqlite-storage.so, with DAEMON: the plugin in a daemon that runs, and sqlite3 as the other reader."""

import os
import random
import resource
import signal
import subprocess
import sys
import threading

from daemon import PATIENCE, DaemonTest, Readme, main

PLUGIN = sys.argv.pop(1)
DAMAGE = "database disk image is malformed|not a database|is damaged"
ORPHANS = "not each node is listed by its parent, and only once"


class SQLiteTest(DaemonTest):
    def configuration(self, keys=""):
        return (f"plugins: [{PLUGIN}]\ntransports: [unix-socket]\nstorage:\n  sqlite: {{path: {self.path}{keys}}}\n"
                "policies: []\n")

    def setUp(self):
        super().setUp()
        self.path = self.file("store.sqlite")

    def store(self, keys=""):
        self.running = self.start(self.configuration(keys))
        return self.running

    def again(self, with_signal=signal.SIGTERM):
        self.running.stop(with_signal)
        return self.store()

    def sql(self, *statements, options=()):
        outcome = subprocess.run(
            ["sqlite3", *options, self.path, *statements], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(outcome.stderr, "")
        return outcome.stdout.strip()

    @property
    def content(self):
        with open(self.path, "rb") as file:
            return file.read()

    @content.setter
    def content(self, content):
        with open(self.path, "wb") as file:
            file.write(content)

    def damaged(self):
        """What the daemon says of the store, which it leaves as it is."""
        before = self.content
        text = self.refusal(self.configuration())
        self.assertEqual(self.content, before)
        return text

    def test_the_daemon_tries_it(self):
        self.trial(PLUGIN)

    # What is kept

    def test_the_store_outlives_the_daemon(self):
        daemon = self.store()
        self.assertEqual(daemon.tool("xenstore-write", "/a/b", "one", "/a/c", "two", "/gone/x", "three").returncode, 0)
        self.assertEqual(daemon.tool("xenstore-chmod", "/a/b", "n0", "r5").returncode, 0)
        self.assertEqual(daemon.tool("xenstore-rm", "/gone").returncode, 0)
        self.assertEqual(daemon.stop(), 0)
        daemon = self.store()
        self.assertEqual(daemon.tool("xenstore-read", "/a/b", "/a/c").stdout, "one\ntwo\n")
        self.assertEqual(daemon.connect().ask("GET_PERMS", "/a/b", ""), b"n0\0r5\0")
        self.assertNotEqual(daemon.tool("xenstore-exists", "/gone").returncode, 0)

    def test_any_bytes_and_no_bytes(self):
        client = self.store().connect()
        value = bytes(range(256)) * 10
        self.assertEqual(client.write("/bytes", value), b"OK\0")
        self.assertEqual(client.write("/none", ""), b"OK\0")
        client = self.again().connect()
        self.assertEqual(client.read("/bytes"), value)
        self.assertEqual(client.read("/none"), b"")

    def test_children_keep_the_order_of_their_creation(self):
        client = self.store().connect()
        names = [f"n{number}" for number in range(50)]
        random.Random(1).shuffle(names)
        for name in names:
            self.assertEqual(client.write(f"/dir/{name}", "x"), b"OK\0")
        self.assertEqual(client.ask("RM", f"/dir/{names[3]}", ""), b"OK\0")
        self.assertEqual(client.write(f"/dir/{names[3]}", "again"), b"OK\0")
        before = client.ask("DIRECTORY", "/dir", "")
        self.assertEqual(before.split(b"\0")[-2].decode(), names[3])
        self.assertEqual(self.again().connect().ask("DIRECTORY", "/dir", ""), before)

    def test_a_large_subtree_goes_as_a_whole_and_its_neighbours_stay(self):
        client = self.store(", sync: none").connect()
        for number in range(3000):
            self.assertEqual(client.write(f"/a/b/n{number}", "x"), b"OK\0")
        for neighbour in "/a/b-", "/a/b0", "/a/bb/x":
            self.assertEqual(client.write(neighbour, "x"), b"OK\0")
        self.assertEqual(client.ask("RM", "/a/b", ""), b"OK\0")
        self.assertEqual(self.sql("SELECT count(*) FROM node WHERE path GLOB '/a/b/*'"), "0")
        self.assertEqual(client.write("/a/b/again", "y"), b"OK\0")
        client = self.again(signal.SIGKILL).connect()
        self.assertEqual(client.ask("DIRECTORY", "/a/b", ""), b"again\0")
        self.assertEqual(client.ask("DIRECTORY", "/a", ""), b"b-\0b0\0bb\0b\0")

    def test_a_kill_at_any_time_loses_nothing_that_was_acknowledged(self):
        for number in range(5):
            daemon = self.store(", sync: none")
            client = daemon.connect()
            killer = threading.Timer(0.05 + number * 0.03, daemon.process.kill)
            killer.start()
            done = 0
            try:
                while client.write(f"/run{number}/n{done % 100}", str(done)) == b"OK\0":
                    done += 1
            except ConnectionError:
                pass
            killer.join()
            daemon.join()
            self.assertGreater(done, 0)
            daemon = self.store(", sync: none")
            client = daemon.connect()
            kept = [int(client.read(f"/run{number}/n{index}")) for index in range(min(done, 100))]
            self.assertIn(max(kept), (done - 1, done), "the last one, or the one whose answer was lost")
            self.assertEqual(daemon.stop(), 0)

    # What others can do meanwhile

    def test_sqlite3_reads_the_store_while_the_daemon_runs(self):
        daemon = self.store()
        daemon.tool("xenstore-write", "/local/domain/1/name", "web", "/local/domain/2/name", "mail")
        names = "SELECT CAST(value AS TEXT) FROM node WHERE path GLOB '/local/domain/*/name' ORDER BY path"
        self.assertEqual(self.sql(names, options=["-readonly"]), "web\nmail")
        self.assertEqual(self.sql("SELECT permissions FROM node WHERE path = '/local'"), "n0")
        self.assertEqual(self.sql("SELECT children FROM node WHERE path = '/local/domain'"), "1/2")
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)

    def test_a_change_by_sql_while_no_daemon_runs(self):
        self.store().tool("xenstore-write", "/a/b", "one")
        self.running.stop()
        self.sql("UPDATE node SET value = 'two', permissions = 'b0,r7' WHERE path = '/a/b'")
        client = self.store().connect()
        self.assertEqual(client.read("/a/b"), b"two")
        self.assertEqual(client.ask("GET_PERMS", "/a/b", ""), b"b0\0r7\0")

    def test_another_writer_makes_changes_fail_and_not_wait(self):
        daemon = self.store()
        client = daemon.connect()
        other = subprocess.Popen(
            ["sqlite3", self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.addCleanup(other.stdout.close)
        self.addCleanup(other.wait)
        self.addCleanup(other.stdin.close)
        other.stdin.write("BEGIN IMMEDIATE; SELECT 'locked';\n")
        self.assertEqual(other.stdout.readline(), "locked\n")
        self.assertEqual(client.write("/a", "x"), "EIO")
        daemon.wait_for(f"cannot begin a batch: {self.path}: database is locked")
        self.assertEqual(client.read("/a"), "ENOENT")
        other.stdin.write("ROLLBACK; SELECT 'free';\n")
        self.assertEqual(other.stdout.readline(), "free\n")
        self.assertEqual(client.write("/a", "x"), b"OK\0")
        daemon.wait_for("storage sqlite works again")

    def test_a_second_daemon_is_refused(self):
        self.store()
        text = self.refusal(self.configuration())
        self.assertIn(f"another daemon uses {self.path}", text)

    def test_a_full_disk_refuses_changes_and_keeps_the_store(self):
        daemon = self.store()
        client = daemon.connect()
        self.assertEqual(client.write("/kept", "x"), b"OK\0")
        limit = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (100_000, limit[1]))
        answers = [client.write(f"/big/{number}", "x" * 3000) for number in range(100)]
        refused = answers.index("EIO")
        self.assertEqual(set(answers[refused:]), {"EIO"})
        self.assertEqual(client.read(f"/big/{refused}"), "ENOENT")
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, limit)
        self.assertEqual(client.write("/after", "x"), b"OK\0")
        client = self.again(signal.SIGKILL).connect()
        self.assertEqual(client.read("/kept"), b"x")
        self.assertEqual(client.read("/after"), b"x")
        self.assertEqual(client.read(f"/big/{refused - 1}"), b"x" * 3000)
        self.assertEqual(client.read(f"/big/{refused}"), "ENOENT")

    # Stores that are none

    def make_store(self):
        daemon = self.store()
        for number in range(300):
            self.assertEqual(daemon.connect().write(f"/a/b/n{number}", "x" * 100), b"OK\0")
        self.assertEqual(daemon.stop(), 0)

    def test_a_cut_or_overwritten_store_is_refused(self):
        self.make_store()
        whole = self.content
        for cut in 0, 1, 99, 100, 4096, len(whole) // 2, len(whole) - 4096:
            with self.subTest(cut=cut):
                self.content = whole[:cut]
                self.assertRegex(self.damaged(), DAMAGE + "|another program")
        for place in 0, 4096, len(whole) // 2:
            with self.subTest(place=place):
                self.content = whole[:place] + b"\xff" * 200 + whole[place + 200:]
                self.assertRegex(self.damaged(), DAMAGE)
        self.content = whole
        self.assertEqual(self.store().connect().read("/a/b/n299"), b"x" * 100)

    def test_random_damage_never_kills_the_daemon(self):
        self.make_store()
        whole = self.content
        seed = random.randrange(1 << 30)
        chance = random.Random(seed)
        for _ in range(40):
            damaged = bytearray(whole)
            for _ in range(chance.randrange(1, 20)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            self.content = damaged
            # It may start: not each byte is used.
            outcome = subprocess.run(
                [self.program, "--no-fork", "--config", self.running.configuration, "--set",
                 "transports.unix-socket.path=/proc/none"], capture_output=True, text=True, timeout=PATIENCE)
            self.assertIn(outcome.returncode, (1, 2), f"seed {seed}: {outcome}")
        self.content = whole

    def test_a_tree_that_is_none_is_refused(self):
        self.make_store()
        for statement, problem in [
            ("DELETE FROM node WHERE path = '/a/b/n7'", "a node lists /a/b/n7, which is not there"),
            ("UPDATE node SET children = 'b/b' WHERE path = '/a'", ORPHANS),
            ("UPDATE node SET children = '' WHERE path = '/a/b'", ORPHANS),
            ("UPDATE node SET children = 'a//a' WHERE path = '/'", "is damaged"),
            ("UPDATE node SET permissions = 'x5' WHERE path = '/a/b/n7'", "/a/b/n7 has permissions that are none"),
            ("UPDATE node SET permissions = '' WHERE path = '/a/b/n7'", "/a/b/n7 has permissions that are none"),
        ]:
            with self.subTest(statement):
                whole = self.content
                self.sql(statement)
                self.assertIn(problem, self.damaged())
                self.content = whole

    def test_a_database_of_another_program_is_left_alone(self):
        self.sql("CREATE TABLE t (x); PRAGMA application_id = 5")
        self.assertIn(f"{self.path} is a database of another program", self.damaged())

    def test_a_store_of_another_layout_is_left_alone(self):
        self.make_store()
        self.sql("PRAGMA user_version = 2")
        self.assertIn(f"{self.path} is a store of another version of this plugin", self.damaged())

    def test_a_link_is_not_followed(self):
        self.make_store()
        os.rename(self.path, self.path + "-real")
        os.symlink(self.path + "-real", self.path)
        self.assertIn("cannot open the store", self.refusal(self.configuration()))

    def test_a_store_of_another_boot_is_set_aside(self):
        self.make_store()
        self.sql("UPDATE boot SET id = 'another'")
        daemon = self.store(", outlives-boot: true")
        self.assertEqual(daemon.connect().read("/a/b/n1"), b"x" * 100)
        self.assertEqual(daemon.stop(), 0)
        daemon = self.store()
        daemon.wait_for("the store is one of an earlier boot")
        self.assertEqual(daemon.connect().read("/a/b/n1"), "ENOENT")
        self.assertEqual(daemon.stop(), 0)
        self.path += ".old"
        self.assertEqual(self.sql("SELECT count(*) FROM node WHERE path GLOB '/a/b/*'"), "300")


class ReadmeTest(Readme, DaemonTest):
    plugin = "sqlite"
    places = {"/usr/lib/sxenstored/plugins/sqlite-storage.so": PLUGIN}


if __name__ == "__main__":
    main()
