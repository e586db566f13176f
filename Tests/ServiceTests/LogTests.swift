// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization
import TestSupport
import Testing
import XenStorePlugin

@testable import SXenstored

/// What the built daemon says, to whom, and that it never waits for anybody to listen.
@Suite(.slow) struct LogTests {
    @Test func linesOfPluginsAreLinesOfTheLog() throws {
        let folder = try TemporaryFolder()
        // What a power cut leaves of a store is set aside, and said to be.
        try folder.write("", to: "tdb")
        let daemon = try Daemon(["--set", "storage=tdb", "--set", "storage.tdb.path=\(folder.file("tdb"))"])
        let lines = daemon.log.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("sxenstored: error: tdb: '\(folder.file("tdb"))' ") }, "\(daemon.log)")
        #expect(lines.allSatisfy { $0.hasPrefix("sxenstored: ") }, "\(daemon.log)")
        #expect(lines.contains { $0.hasPrefix("sxenstored: info: unix-socket: listening on ") })
    }

    /// Its reader has stopped; the store goes on, hears SIGTERM, and tells later how much is missing.
    @Test func aReaderThatIsStuckStopsNobody() throws {
        let pipe = try StuckPipe()
        let daemon = try Daemon(errors: pipe.path)
        let client = try daemon.connect()
        let line = String(repeating: "x", count: 1000)
        for _ in 0..<2500 { #expect(try client.ask(.control, "print\0\(line)\0") == .ok) }
        // What is read now makes room for the line that tells.
        let said = pipe.read(upTo: 1 << 20)
        #expect(said.contains(line))
        #expect(try client.ask(.control, "print\0the end\0") == .ok)
        try pipe.read(until: "the end")
        #expect(pipe.text.contains(" missing here: they came faster than they could be written\n"))
        let count = pipe.text.split(separator: "\n").count { $0.hasSuffix(line) }
        let missing = pipe.text.split(separator: "\n").compactMap { line -> Int? in
            guard line.contains("missing here"), let word = line.split(separator: " ").dropFirst(2).first else {
                return nil
            }
            return Int(word)
        }
        #expect(count + missing.reduce(0, +) == 2500)

        // Stuck once more, and told to end.
        for _ in 0..<500 { #expect(try client.ask(.control, "print\0\(line)\0") == .ok) }
        #expect(try daemon.stop() == 0)
    }

    /// Nobody reads from the very start.
    @Test func aReaderThatIsStuckAtTheStartStopsNobody() throws {
        let pipe = try StuckPipe()
        try pipe.fill()
        let daemon = try Daemon(errors: pipe.path)
        #expect(try daemon.connect().ask(.write, "/a\0v") == .ok)
        #expect(try daemon.stop() == 0)

        let folder = try TemporaryFolder()
        let shell = "\"$0\" --pid-file \(folder.file("pid")) $1 3>&- 2>\(pipe.path); exit $?"
        let environment = ["XENSTORED_RUNDIR": folder.path]
        for (option, status) in [("--set=no.such=key", 2), ("--chek-config", 2), ("--no-domain-init", 0)]
            as [(_, Int32)]
        {
            let launcher = try run(
                ["sh", "-c", shell, built("sxenstored"), option], environment: environment, within: .seconds(15))
            #expect(launcher.status == status, "\(option)")
        }
        let client = try RawClient(folder.file("socket"))
        #expect(try client.ask(.write, "/a\0v") == .ok)
        kill(try #require(pid_t(folder.text(of: "pid").dropLast())), SIGTERM)
        while try client.receive() != nil {}
    }

    @Test func aTraceThatNobodyReadsStopsNobody() throws {
        let pipe = try StuckPipe()
        let daemon = try Daemon(["-T", pipe.path])
        let client = try daemon.connect()
        let value = String(repeating: "x", count: 3000)
        for _ in 0..<100 { #expect(try client.ask(.write, "/a\0\(value)") == .ok) }
        daemon.process.send(SIGHUP)
        try daemon.waitForLog("reloaded")
        #expect(try client.ask(.read, "/a\0") == .data(value))
        #expect(try daemon.stop() == 0)
    }

    @Test func aTraceIntoAFifoWithoutAReaderIsRefused() throws {
        let folder = try TemporaryFolder()
        mkfifo(folder.file("fifo"), 0o600)
        let end = try run([built("sxenstored"), "-N", "-T", folder.file("fifo")], within: .seconds(10))
        #expect(end.status == 1)
        #expect(end.errors.contains("can't open the trace file '\(folder.file("fifo"))'"), "\(end.errors)")
    }

    @Test func theJournalGetsPriorities() throws {
        let other = try Daemon()
        let folder = other.folder
        try folder.write("", to: "errors")
        var status = stat()
        #expect(stat(folder.file("errors"), &status) == 0)
        let store = "--set=storage.tdb.path=\(folder.path)"
        for (journal, prefix) in [("\(status.st_dev):\(status.st_ino)", "<3>"), ("0:0", ""), ("", "")] {
            for (options, complaint) in [
                ([], "sxenstored: error: can't listen on"), (["--set=storage=tdb", store], ""),
            ] {
                let process = try ChildProcess(
                    [built("sxenstored"), "-N"] + options,
                    environment: ["XENSTORED_RUNDIR": folder.path, "JOURNAL_STREAM": journal],
                    output: folder.file("output"), errors: folder.file("errors"))
                #expect(try process.wait() != 0)
                let last = folder.text(of: "errors").split(separator: "\n").last ?? ""
                #expect(last.hasPrefix("\(prefix)\(complaint)"), "\(last)")
                #expect(prefix != "" || !last.hasPrefix("<"))
            }
        }
    }

    /// Who may write to the store must not write to the log in the daemon's name, nor to a terminal.
    @Test func clientsCannotForgeLines() throws {
        let folder = try TemporaryFolder()
        let daemon = try Daemon(["-T", folder.file("trace")])
        let client = try daemon.connect()
        let forged = "x\nsxenstored: error: FORGED\r\u{1b}[31m\u{7f}\u{9b}2J\u{2028}\u{202e}\u{85}e\u{301}é"
        _ = try client.ask(.write, "/a\0\(forged)")
        _ = try client.ask(.write, "/a\(forged)\0")
        #expect(try client.ask(.control, "print\0\(forged)\0") == .ok)
        #expect(try client.ask(.control, "log\0+io\0") == .ok)
        #expect(try daemon.stop() == 0)
        for text in [daemon.log, folder.text(of: "trace")] {
            #expect(text.contains("FORGED"))
            #expect(text.contains("e\u{301}é"), "what can be read stays as it is")
            #expect(!text.split(separator: "\n").contains { $0.hasPrefix("sxenstored: error") })
            let hidden = text.unicodeScalars.filter {
                $0 != "\n" && [.control, .format, .lineSeparator].contains($0.properties.generalCategory)
            }
            #expect(hidden.isEmpty, "\(hidden.map { String($0.value, radix: 16) })")
        }
        #expect(
            daemon.log.contains(
                #"notice: x\nsxenstored: error: FORGED\r\u{1B}[31m\u{7F}\u{009B}2J\u{2028}\u{202E}\u{0085}"#))
    }
}

/// A pipe with a name whose reader does nothing until it is asked to.
private final class StuckPipe {
    private let folder: TemporaryFolder
    private let end: Int32
    /// All that was read.
    private(set) var text = ""

    var path: String { folder.file("pipe") }

    init() throws {
        folder = try TemporaryFolder()
        guard mkfifo(folder.file("pipe"), 0o600) == 0 else { throw Trouble.system("make a fifo") }
        end = open(folder.file("pipe"), O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard end >= 0 else { throw Trouble.system("open a fifo") }
    }

    deinit { close(end) }

    /// Has no room any more for anybody.
    func fill() throws {
        let writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
        guard writer >= 0 else { throw Trouble.system("open a fifo") }
        defer { close(writer) }
        let noise = [UInt8](repeating: UInt8(ascii: "\n"), count: 4096)
        while write(writer, noise, noise.count) > 0 {}
    }

    /// What is there, and what comes in its place, up to so many bytes.
    func read(upTo bytesMax: Int) -> String {
        var bytes = [UInt8](repeating: 0, count: bytesMax)
        let count = max(0, Glibc.read(end, &bytes, bytes.count))
        let new = String(decoding: bytes[..<count], as: UTF8.self)
        text += new
        return new
    }

    func read(until wanted: String, _ deadline: Deadline = Deadline()) throws {
        while !text.contains(wanted) {
            guard try !waitUntilReady([(end, POLLIN)], deadline).isEmpty else {
                throw Trouble("'\(wanted)' does not come, but: \(text.suffix(500))")
            }
            _ = read(upTo: 1 << 16)
        }
    }
}

/// The system's log, whose socket others take lines from, or don't.
@Suite struct SystemLogTests {
    private let folder: TemporaryFolder
    private var path: String { folder.file("log") }

    init() throws { folder = try TemporaryFolder() }

    private func listen(_ type: Int32) throws -> Int32 {
        unlink(path)
        let descriptor = socket(AF_UNIX, type | linux_sock_nonblock | linux_sock_cloexec, 0)
        guard let name = UnixSocketName(path), name.with({ bind(descriptor, $0, $1) }) == 0 else {
            throw Trouble.system("bind \(path)")
        }
        return descriptor
    }

    private func received(_ descriptor: Int32) -> String? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
    }

    @Test func writesLinesInTheFormOfSyslog() throws {
        let descriptor = try listen(linux_sock_datagram)
        defer { close(descriptor) }
        var log = SystemLog(path: path)
        #expect(log.write(LogLine(level: .error, time: 0, text: "a line")) == 0)
        let line = try #require(received(descriptor))
        #expect(line.hasPrefix("<27>Jan  1 ") || line.hasPrefix("<27>Dec 31 "), "\(line)")
        #expect(line.hasSuffix(":00 sxenstored[\(getpid())]: a line"), "\(line)")
    }

    @Test func findsALogThatWasRestarted() throws {
        var log = SystemLog(path: path)
        #expect(log.write(LogLine(level: .error, text: "nobody is there")) == ENOENT)
        let first = try listen(linux_sock_datagram)
        #expect(log.write(LogLine(level: .error, text: "one")) == 0)
        #expect(received(first)?.hasSuffix(": one") == true)
        close(first)
        let second = try listen(linux_sock_datagram)
        defer { close(second) }
        #expect(log.write(LogLine(level: .error, text: "two")) == 0)
        #expect(received(second)?.hasSuffix(": two") == true)
    }

    @Test func writesToAStreamSocket() throws {
        let listener = try listen(linux_sock_stream)
        defer { close(listener) }
        #expect(Glibc.listen(listener, 1) == 0)
        var log = SystemLog(path: path)
        #expect(log.write(LogLine(level: .error, text: "one")) == 0)
        let descriptor = accept(listener, nil, nil)
        defer { close(descriptor) }
        #expect(received(descriptor)?.hasSuffix(": one\0") == true)
    }

    /// It takes nothing for a while: whoever writes goes on, and the lines that are lost are counted.
    @Test func aStuckLogDelaysNobody() throws {
        let descriptor = try listen(linux_sock_datagram)
        defer { close(descriptor) }
        let log = Mutex(SystemLog(path: path))
        let writer = LineWriter(bytesMax: 100_000) { line in log.withLock { $0.write(line) } }
        let text = String(repeating: "x", count: 1000)
        for _ in 0..<1000 { writer.write(LogLine(level: .notice, text: text)) }
        writer.flush(seconds: 0)
        var lines: [String] = []
        while lines.last?.contains("missing here") != true {
            guard try !waitUntilReady([(descriptor, POLLIN)], Deadline()).isEmpty else {
                throw Trouble("nothing more comes after \(lines.count) lines")
            }
            if let line = received(descriptor) { lines.append(line) }
        }
        let missing = try #require(lines.last)
        #expect(missing.contains("<28>"))
        #expect(
            missing.hasSuffix(
                ": \(1000 - (lines.count - 1)) lines are missing here: they came faster than they could be written"),
            "\(missing)")
    }

    @Test func aFullDiskIsReportedWhenThereIsRoomAgain() throws {
        let lines = Mutex<[String]>([])
        let isFull = Mutex(true)
        let writer = LineWriter(bytesMax: 10_000) { line in
            if isFull.withLock({ $0 }) { return ENOSPC }
            lines.withLock { $0.append(line.text) }
            return 0
        }
        for number in 1...3 { writer.write(LogLine(level: .notice, text: "\(number)")) }
        writer.flush()
        isFull.withLock { $0 = false }
        writer.write(LogLine(level: .notice, text: "4"))
        writer.flush()
        #expect(lines.withLock { $0 } == ["3 lines are missing here: No space left on device", "4"])
    }
}
