// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// Tests that every storage must pass. A kernel works with the storage, and the storage is closed or just dropped. Then
/// another kernel with the reopened storage must show the same store.
///
///     let kit = StorageConformance { try MyStorage(folder) }
///     #expect(try kit.problems() == [])
public struct StorageConformance {
    /// How a storage is left before it is reopened.
    public enum Ending: Sendable, CaseIterable {
        case closed
        /// The daemon is killed: nobody calls the storage any more. If it holds something that prevents the
        /// next start, such as a lock, the closure that reopens it must release that.
        case dropped
    }

    private let reopen: () throws -> any Storage
    private let ending: Ending

    /// - Parameters:
    ///   - ending: how each storage ends before the next one is made.
    ///   - reopen: makes a new storage over what the last one has kept.
    public init(ending: Ending = .closed, reopening reopen: @escaping () throws -> any Storage) {
        self.reopen = reopen
        self.ending = ending
    }

    /// Runs all tests and returns the problems, a line each.
    public func problems() throws -> [String] {
        var problems: [String] = []
        var expected: [String]?
        for (name, step) in Self.steps {
            let (host, storage) = try open()
            let found = Self.content(of: host)
            problems += Self.differences(found, expected, before: name)
            step(Driver(host))
            expected = storage.wantsBatches ? Self.content(of: host) : found
            if ending == .closed { storage.close() }
        }
        let (host, storage) = try open()
        problems += Self.differences(Self.content(of: host), expected, before: "the end")
        if storage.wantsBatches { problems += Self.findDomains(in: host) }
        storage.close()
        return problems
    }

    private func open() throws -> (EmbeddedHost, any Storage) {
        let storage = try reopen()
        return (try EmbeddedHost(storage: storage), storage)
    }

    private static func differences(_ found: [String], _ expected: [String]?, before step: String) -> [String] {
        guard let expected, expected != found else { return [] }
        let missing = expected.filter { !found.contains($0) }.map { "before \(step): missing \($0)" }
        let wrong = found.filter { !expected.contains($0) }.map { "before \(step): unexpected \($0)" }
        return missing + wrong + (missing.isEmpty && wrong.isEmpty ? ["before \(step): the order is another"] : [])
    }

    /// The whole store, a line for each node: its path, generation, permissions and value, in the order of
    /// the children.
    static func content(of host: EmbeddedHost) -> [String] {
        let driver = Driver(host)
        var lines = ["@introduceDomain", "@releaseDomain"].map { "\($0) \(driver.ask(.getPermissions, $0))" }
        var waiting = ["/"]
        while let path = waiting.popLast() {
            // A reply may be too small for all names. The first part begins with the generation.
            let part = driver.ask(bytes: .directoryPart, path, Array("0\0".utf8))
            let generation = part.split(separator: "|", maxSplits: 1).first ?? ""
            lines.append(
                "\(path) \(generation) \(driver.ask(.getPermissions, path)) \(driver.ask(.read, path))")
            waiting += driver.ask(.directory, path).split(separator: "|").reversed().map {
                path == "/" ? "/\($0)" : "\(path)/\($0)"
            }
        }
        return lines
    }

    /// Speaks for dom0 to a host.
    struct Driver {
        let host: EmbeddedHost
        let client: EmbeddedClient

        init(_ host: EmbeddedHost) {
            self.host = host
            client = host.connect(domain: .control)
        }

        @discardableResult
        func ask(_ operation: XenStoreWire.Operation, _ path: String, in transaction: UInt32 = 0) -> String {
            ask(bytes: operation, path, [], in: transaction)
        }

        @discardableResult
        func ask(
            bytes operation: XenStoreWire.Operation, _ path: String, _ rest: [UInt8], in transaction: UInt32 = 0
        ) -> String {
            client.send(operation.rawValue, transaction: transaction, Array(path.utf8) + [0] + rest)
            host.settle()
            return client.takeMessages().last { !$0.isEvent }?.text ?? "no answer"
        }

        func write(_ path: String, _ value: [UInt8], in transaction: UInt32 = 0) {
            ask(bytes: .write, path, value, in: transaction)
        }

        func setPermissions(_ path: String, _ entries: String...) {
            ask(bytes: .setPermissions, path, entries.flatMap { Array($0.utf8) + [0] })
        }

        func transaction(_ body: (UInt32) -> Void) {
            guard let number = UInt32(ask(.transactionStart, "").prefix { $0 != "|" }) else { return }
            body(number)
            ask(.transactionEnd, "T", in: number)
        }
    }
}

extension StorageConformance {
    /// The steps of the test. The storage is reopened before each.
    private static var steps: [(name: String, do: (Driver) -> Void)] {
        [
            ("anything is written", { _ in }), ("values", writeValues), ("order", makeInOrder),
            ("permissions", setPermissions), ("removal", remove), ("removal of old nodes", removeOldNodes),
            ("a large subtree", makeLargeSubtree), ("its removal", removeLargeSubtree),
            ("transactions", commitTransactions), ("long paths", writeLongPaths), ("domains", introduceDomain),
        ]
    }

    private static func writeValues(_ driver: Driver) {
        driver.write("/values/empty", [])
        driver.write("/values/text", Array("hello".utf8))
        driver.write("/values/nuls", [0, 1, 0, 0, 255, 0])
        driver.write("/values/one-nul", [0])
        // With its path and a NUL, the largest payload.
        driver.write("/values/large", (0..<Limits.payloadMax - 14).map { UInt8(truncatingIfNeeded: $0) })
        driver.write("/values/text", Array("overwritten by something longer".utf8))
        driver.write("/values/nuls", [0])
    }

    private static func makeInOrder(_ driver: Driver) {
        for name in ["c", "a", "b", "10", "9"] { driver.ask(.makeDirectory, "/order/\(name)") }
        driver.ask(.remove, "/order/a")
        driver.ask(.makeDirectory, "/order/a")
        driver.ask(.makeDirectory, "/order/c/inner")
    }

    private static func setPermissions(_ driver: Driver) {
        driver.write("/permissions/x", [1])
        driver.setPermissions("/permissions/x", "n7", "r1", "w2", "b32757")
        driver.setPermissions("/permissions", "b0")
        driver.setPermissions("@introduceDomain", "n0", "r3")
    }

    private static func remove(_ driver: Driver) {
        for path in ["/gone/a/b/c", "/gone/a/d", "/stays/x"] { driver.write(path, Array(path.utf8)) }
        driver.ask(.remove, "/gone/a")
        driver.ask(.remove, "/stays/x")
        driver.write("/stays/x", Array("made again".utf8))
    }

    private static func removeOldNodes(_ driver: Driver) {
        driver.ask(.remove, "/order")
        driver.ask(.remove, "/values/large")
        driver.ask(.remove, "/gone")
    }

    /// More nodes than the kernel removes one by one.
    private static func makeLargeSubtree(_ driver: Driver) {
        driver.transaction { number in
            for index in 0..<2100 { driver.write("/large/\(index % 7)/\(index)", [UInt8(index % 256)], in: number) }
        }
        driver.write("/large-beside/x", [1])
    }

    private static func removeLargeSubtree(_ driver: Driver) {
        driver.write("/large/1/new", [1])
        driver.ask(.remove, "/large")
        driver.write("/large/1/1", [2])
    }

    private static func commitTransactions(_ driver: Driver) {
        driver.transaction { number in
            for index in 0..<50 { driver.write("/many/\(index)", [UInt8(index)], in: number) }
            driver.ask(.remove, "/stays", in: number)
        }
        driver.transaction { number in driver.ask(.remove, "/many/7", in: number) }
    }

    private static func writeLongPaths(_ driver: Driver) {
        driver.write(String(repeating: "/d", count: Limits.absolutePathMax / 2), Array("deep".utf8))
        driver.write("/" + String(repeating: "n", count: 255), Array("long".utf8))
    }

    // MARK: What the kernel notes beside nodes

    private static let domain = DomainID(5)

    private static func domains() -> EmbeddedDomains {
        let domains = EmbeddedDomains()
        domains.states[domain] = DomainState(uniqueID: 77)
        return domains
    }

    private static func introduceDomain(_ driver: Driver) {
        domains().serve(driver.host)
        driver.ask(bytes: .introduce, "\(domain.rawValue)", Array("1000\0".utf8) + Array("9\0".utf8))
    }

    private static func findDomains(in host: EmbeddedHost) -> [String] {
        let domains = domains()
        domains.serve(host)
        return domains.calls == ["resume \(domain.rawValue)"] ? [] : ["domains: \(domains.calls)"]
    }
}
