# SPDX-License-Identifier: Apache-2.0
"""What the tests of the examples share: a daemon of its own, and clients. `make examples` puts it beside each test."""

import glob
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

# How long anything may take. Nothing that works takes long.
PATIENCE = 30

OPERATIONS = {"DIRECTORY": 1, "READ": 2, "GET_PERMS": 3, "WRITE": 11, "MKDIR": 12, "RM": 13, "SET_PERMS": 14}
ERROR = 16


class Client:
    """A connection, and requests as bytes."""

    def __init__(self, connected):
        self.socket = connected
        self.socket.settimeout(PATIENCE)

    @staticmethod
    def of(address, family=socket.AF_UNIX):
        connected = socket.socket(family, socket.SOCK_STREAM)
        connected.settimeout(PATIENCE)
        connected.connect(address)
        return Client(connected)

    def send(self, operation, *parts, number=0):
        payload = b"\0".join(part if isinstance(part, bytes) else part.encode() for part in parts)
        header = struct.pack("<IIII", OPERATIONS.get(operation, operation), number, 0, len(payload))
        self.socket.sendall(header + payload)

    def receive(self):
        """The next message, as (type, payload); None at the end."""
        header = self.exactly(16)
        if header is None:
            return None
        kind, _, _, length = struct.unpack("<IIII", header)
        return kind, self.exactly(length)

    def exactly(self, count):
        found = b""
        while len(found) < count:
            more = self.socket.recv(count - len(found))
            if not more:
                return None
            found += more
        return found

    def ask(self, operation, *parts):
        """The payload of the answer, or the name of an error as text."""
        self.send(operation, *parts)
        answer = self.receive()
        if answer is None:
            return None
        kind, payload = answer
        return payload.rstrip(b"\0").decode() if kind == ERROR else payload

    def read(self, path):
        return self.ask("READ", path, "")

    def write(self, path, value):
        return self.ask("WRITE", path, value)

    def is_closed(self):
        """Whether the daemon has ended the connection, by now or soon."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def close(self):
        self.socket.close()

    __del__ = close


class Daemon:
    """A daemon with its files in a folder of the test."""

    def __init__(self, program, folder, configuration, **environment):
        self.folder = folder
        self.configuration = os.path.join(folder, "sxenstored.yaml")
        self.configure(configuration)
        self.lines = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            [program, "--no-fork", "--config", self.configuration],
            env=os.environ | {"XENSTORED_RUNDIR": folder} | environment, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        self.wait_for("serving")

    def configure(self, text):
        with open(self.configuration, "w") as file:
            file.write(text)

    def _read(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line)
                self.changed.notify()
        with self.changed:
            self.lines.append(None)
            self.changed.notify()

    @property
    def log(self):
        with self.changed:
            return "".join(line for line in self.lines if line)

    def wait_for(self, text):
        """Waits for a line of the log."""
        with self.changed:
            def found():
                return any(line is None or text in line for line in self.lines)
            done = self.changed.wait_for(found, PATIENCE)
        if not done or text not in self.log:
            raise AssertionError(f"the log does not say '{text}':\n{self.log}")

    def reload(self, *texts):
        """Reads the configuration again, and waits for these texts in the log."""
        self.process.send_signal(signal.SIGHUP)
        for text in texts or ["configuration reloaded"]:
            self.wait_for(text)

    def connect(self):
        return Client.of(os.path.join(self.folder, "socket"))

    def tool(self, *command, path=None, **more):
        """Runs one of Debian's clients, on another socket if there is a path."""
        path = path or os.path.join(self.folder, "socket")
        return subprocess.run(
            command, env=os.environ | {"XENSTORED_PATH": path}, capture_output=True, text=True, timeout=PATIENCE,
            **more)

    def stop(self, with_signal=signal.SIGTERM):
        self.process.send_signal(with_signal)
        return self.join()

    def join(self):
        status = self.process.wait(PATIENCE)
        self.reader.join()
        self.process.stderr.close()
        return status


def main():
    """Runs all tests of the file, and says why it has skipped some."""
    result = unittest.main("__main__", exit=False).result
    for test, reason in result.skipped:
        print(f"{test.id().rpartition('.')[2]}: {reason}")
    raise SystemExit(not result.wasSuccessful())


class DaemonTest(unittest.TestCase):
    """A test with a folder, and daemons that end with the test."""

    program = os.environ.get("DAEMON", "sxenstored")

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sxenstored-example-")
        self.addCleanup(shutil.rmtree, self.folder)

    def file(self, name):
        return os.path.join(self.folder, name)

    def start(self, configuration, **environment):
        daemon = Daemon(self.program, self.folder, configuration, **environment)
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.stop(signal.SIGKILL))
        return daemon

    def trial(self, file, *settings):
        """The daemon's own tests of a shared object: `--try-plugin`."""
        options = [part for setting in settings for part in ("--set", setting)]
        outcome = subprocess.run(
            [self.program, "--try-plugin", file, *options], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(outcome.returncode, 0, outcome.stdout + outcome.stderr)

    def refusal(self, configuration):
        """What a daemon says that does not start."""
        path = self.file("sxenstored.yaml")
        with open(path, "w") as file:
            file.write(configuration)
        outcome = subprocess.run(
            [self.program, "--no-fork", "--config", path], env=os.environ | {"XENSTORED_RUNDIR": self.folder},
            capture_output=True, text=True, timeout=PATIENCE)
        self.assertNotEqual(outcome.returncode, 0)
        return outcome.stderr


class Readme:
    """Tests of an example's README.md against the plugin. A test case adds the attributes."""

    plugin = ""
    # What stands for a file of this machine in the README's example.
    places = {}
    # Tests run in the folder of the example.
    folder_of_example = os.getcwd()

    @property
    def text(self):
        with open(os.path.join(self.folder_of_example, "README.md")) as file:
            return file.read()

    @property
    def example(self):
        text = self.text.partition("```yaml\n")[2].partition("```")[0]
        for place, file in self.places.items():
            self.assertIn(place, text)
            text = text.replace(place, file)
        path = self.file("example.yaml")
        with open(path, "w") as file:
            file.write(text)
        return path

    def run_daemon(self, *options):
        return subprocess.run([self.program, *options], capture_output=True, text=True, timeout=PATIENCE)

    def test_the_example_of_the_readme_is_a_good_configuration(self):
        outcome = self.run_daemon("--check-config", "--config", self.example)
        self.assertEqual((outcome.returncode, outcome.stderr), (0, ""))

    def test_the_readme_has_all_keys(self):
        listing = self.run_daemon("--plugins", "--config", self.example).stdout
        block = listing.partition(f"\n  {self.plugin}\n")[2].partition("\n\n")[0]
        keys = re.findall(r"^      ([\w-]+): .*?; (?:default (.*)|must be given|not set by default)$", block, re.M)
        self.assertGreater(len(keys), 2, listing)
        section = self.text.partition("\n## Keys\n")[2].partition("\n## ")[0]
        rows = re.findall(r"^\| `([\w-]+)` \| (?:`(.*?)`|must be given)? ?\| ", section, re.M)
        self.assertEqual(rows, [(key, default.strip('"')) for key, default in keys])

    def test_the_readme_counts_the_lines_of_the_plugin(self):
        sources = glob.glob("*.[ch]", root_dir=self.folder_of_example) + glob.glob(
            "Sources/**/*.swift", root_dir=self.folder_of_example, recursive=True)
        count = 0
        for source in sources:
            if not source.startswith("fake-"):
                with open(os.path.join(self.folder_of_example, source)) as file:
                    count += len(file.readlines())
        self.assertIn(f"{count} lines", self.text)
