// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

/// A policy that refuses nothing and writes down who has asked for what.
final class Audit: Policy, RequestObserver {
    static let name = "audit"
    static let summary = "Writes down all requests."
    static let keys: [ConfigurationKey] = []

    private var lines: [String] = []
    private(set) var moments: [Moment] = []

    init(_ configuration: ConfigurationBlock = ConfigurationBlock([:])) {}

    func finished(_ request: FinishedRequest) {
        let operation = request.operation.map { "\($0.name)" } ?? "\(request.type)"
        let transaction = request.transaction == 0 ? "" : " in \(request.transaction)"
        let path = request.path.isEmpty ? "" : " " + String(decoding: request.path, as: UTF8.self)
        let outcome = request.error.map { "\($0)" } ?? "ok"
        lines.append("\(request.peer.domain.rawValue): \(operation)\(path)\(transaction): \(outcome)")
        moments.append(request.moment)
    }

    /// What was written down since the last call.
    func take() -> [String] {
        defer { lines = [] }
        return lines
    }
}

@Suite struct ObserverTests {
    let storage = FailingStorage()
    let audit = Audit()
    let host: EmbeddedHost
    let dom0: Caller
    let guest: Caller

    init() throws {
        host = try EmbeddedHost(storage: storage, policies: [audit])
        dom0 = host.caller(0)
        guest = host.guest(5)
        dom0.write("/x", "old")
        _ = audit.take()
    }

    @Test func eachRequestOfEveryClientIsSeen() {
        _ = dom0.read("/x")
        guest.write("name", "a value that is nobody's business")
        _ = dom0.read("/nothing")
        guest.ask(.introduce, "7\0001\0001\0")
        dom0.ask(.getDomainPath, "5\0")
        _ = guest.ask(number: 99, [1, 2])
        dom0.ask(.watch, "/x\0token\0")
        dom0.ask(.setPermissions, "/x\0n0\0")
        #expect(
            audit.take() == [
                "0: READ /x: ok", "5: WRITE name: ok", "0: READ /nothing: ENOENT", "5: INTRODUCE: EACCES",
                "0: GET_DOMAIN_PATH: ok", "5: 99: ENOSYS", "0: WATCH /x: ok", "0: SET_PERMS /x: ok",
            ])
    }

    @Test func aPathIsSeenAsItsBytes() {
        _ = dom0.ask(number: Operation.read.rawValue, [0x2F, 0xFF, 0x0A])
        #expect(audit.take() == ["0: READ /\u{FFFD}\n: EINVAL"])
    }

    /// A commit carries the requests of its transaction out again. They are not the client's.
    @Test func aTransactionIsSeenAsItsClientSpeaksIt() {
        let transaction = dom0.start()
        dom0.write("/x", "1", in: transaction)
        dom0.write("/y", "2", in: transaction)
        #expect(dom0.commit(transaction) == .ok)
        #expect(
            audit.take() == [
                "0: TRANSACTION_START: ok", "0: WRITE /x in \(transaction): ok", "0: WRITE /y in \(transaction): ok",
                "0: TRANSACTION_END in \(transaction): ok",
            ])
    }

    @Test func aConflictIsSeen() {
        let transaction = dom0.start()
        _ = dom0.read("/x", in: transaction)
        guest.host.caller(0).write("/x", "other")
        _ = audit.take()
        dom0.write("/y", "2", in: transaction)
        #expect(dom0.commit(transaction) == .error(.EAGAIN))
        #expect(audit.take().last == "0: TRANSACTION_END in \(transaction): EAGAIN")
    }

    // MARK: When the answer stands

    @Test func nothingIsSeenBeforeStorageHasIt() {
        dom0.send(.write, "/x\0new")
        dom0.send(.read, "/x\0")
        #expect(audit.take() == [])
        host.settle()
        #expect(audit.take() == ["0: WRITE /x: ok", "0: READ /x: ok"])
    }

    /// A turn that waits for others is not over, whatever else goes on in it.
    @Test func nothingIsSeenOfATurnThatGathers() {
        storage.patience = 1_000_000
        let other = host.caller(0)
        dom0.send(.write, "/x\01")
        other.send(.write, "/y\01")
        host.settle()
        _ = audit.take()
        dom0.send(.write, "/x\02")
        // More than a client may have done in one part of a turn.
        let reads = (0..<300).flatMap { _ in Message.bytes(Operation.read.rawValue, Array("/x\0".utf8)) }
        dom0.client.send(bytes: reads)
        guard case .gathering = host.endTurn() else {
            Issue.record("the turn does not wait")
            return
        }
        #expect(audit.take() == [])
        host.settle()
        let seen = audit.take()
        #expect(seen.first == "0: WRITE /x: ok")
        #expect(seen.count == 301)
    }

    /// What storage refuses has not happened. What was read stands, as it is answered from what is.
    @Test func aFailedCommitIsSeenAsEIO() {
        dom0.send(.read, "/x\0")
        dom0.send(.write, "/x\0new")
        guest.send(.makeDirectory, "data\0")
        dom0.send(.read, "/x\0")
        guest.send(.getDomainPath, "5\0")
        guest.send(.read, "data\0")
        dom0.send(.transactionStart, "\0")
        storage.isFailing = true
        host.settle()
        #expect(
            audit.take() == [
                "0: READ /x: ok", "0: WRITE /x: EIO", "5: MKDIR data: EIO", "0: READ /x: ok", "5: GET_DOMAIN_PATH: ok",
                "5: READ data: ENOENT", "0: TRANSACTION_START: EIO",
            ])
        #expect(dom0.takeAll().suffix(3) == ["ERROR EIO|", "READ old", "ERROR EIO|"])
        storage.isFailing = false
        dom0.write("/x", "new")
        #expect(audit.take() == ["0: WRITE /x: ok"])
    }

    /// Its answer goes nowhere, but others may see what it has done, or not.
    @Test func aClientThatIsGoneIsSeenToo() {
        guest.send(.write, "name\0x")
        guest.send(.read, "name\0")
        guest.client.hangUp()
        host.settle()
        #expect(audit.take() == ["5: WRITE name: ok", "5: READ name: ok"])
        let other = host.caller(5)
        other.send(.write, "name\0y")
        other.send(.read, "name\0")
        other.client.hangUp()
        storage.isFailing = true
        host.settle()
        #expect(audit.take() == ["5: WRITE name: EIO", "5: READ name: ok"])
    }

    @Test func allRequestsOfATurnHaveItsTime() {
        host.advance(milliseconds: 5)
        dom0.send(.write, "/x\0new")
        guest.send(.read, "/x\0")
        host.settle()
        #expect(audit.moments.suffix(2) == [host.now, host.now])
    }

    /// An observer is called outside of the kernel's work, and may use its host.
    @Test func anObserverMayAskItsHost() throws {
        final class Curious: Policy, RequestObserver {
            static let name = "curious"
            static let summary = "Reads the counters whenever it sees a request."
            static let keys: [ConfigurationKey] = []
            var host: EmbeddedHost?
            var seen: [UInt64?] = []
            init(_ configuration: ConfigurationBlock = ConfigurationBlock([:])) {}
            func finished(_ request: FinishedRequest) { seen.append(host?.measured("requests")) }
        }
        let curious = Curious()
        let host = try EmbeddedHost(storage: storage, policies: [curious])
        curious.host = host
        _ = host.caller(0).read("/x")
        #expect(curious.seen == [1])
        curious.host = nil
    }
}

@Suite struct MeasurementTests {
    let storage = FailingStorage()

    /// A policy that counts.
    private final class Counting: Policy, Measurable {
        static let name = "counting"
        static let summary = "Counts."
        static let keys: [ConfigurationKey] = []
        init(_ configuration: ConfigurationBlock = ConfigurationBlock([:])) {}
        var measurements: [Measurement] { [.current("things", 7, "Things.")] }
    }

    @Test func theDaemonCountsWhatItDoes() throws {
        let host = try EmbeddedHost(storage: storage)
        let dom0 = host.caller(0)
        let other = host.caller(0)
        dom0.write("/a/b", "x")
        _ = dom0.read("/nothing")
        other.ask(.watch, "/a\0t\0")
        _ = other.start()
        #expect(host.measured("requests") == 4)
        #expect(host.measured("error-replies") == 1)
        #expect(host.measured("connections") == 2)
        #expect(host.measured("watches") == 1)
        #expect(host.measured("transactions") == 1)
        #expect(host.measured("commits") == 1)
        let bytes = (received: host.measured("bytes-received"), sent: host.measured("bytes-sent"))
        #expect(bytes.received == 85, "four headers, and payloads of 6, 9, 5 and 1 bytes")

        other.client.hangUp()
        host.settle()
        #expect(host.measured("connections") == 1)
        #expect(host.measured("connections-opened") == 2)
        #expect(host.measured("watches") == 0)
        #expect(host.measured("bytes-received") == bytes.received)
        #expect(host.measured("bytes-sent") == bytes.sent)
    }

    /// A request that is carried out again is still one.
    @Test func aFailedCommitCountsNothingTwice() throws {
        let host = try EmbeddedHost(storage: storage)
        let dom0 = host.caller(0)
        dom0.send(.write, "/x\0new")
        dom0.send(.read, "/\0")
        storage.isFailing = true
        host.settle()
        #expect(host.measured("requests") == 2)
        #expect(host.measured("failed-commits") == 1)
        #expect(host.measured("commits") == 0)
    }

    @Test func pluginsCountBesideIt() throws {
        let host = try EmbeddedHost(storage: storage, policies: [Counting()])
        let parts = host.engine.measurements()
        #expect(parts.map(\.name) == ["daemon", "counting"])
        #expect(parts.last?.measurements == [.current("things", 7, "Things.")])
        let names = parts[0].measurements.map(\.name)
        #expect(Set(names).count == names.count)
        for measurement in parts[0].measurements {
            #expect(measurement.summary.last == "." && measurement.summary.first?.isUppercase == true)
        }
    }
}

extension EmbeddedHost {
    /// A counter of the daemon.
    fileprivate func measured(_ name: String) -> UInt64? {
        engine.measurements()[0].measurements.first { $0.name == name }?.value
    }
}
