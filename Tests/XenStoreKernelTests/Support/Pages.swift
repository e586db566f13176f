// SPDX-License-Identifier: Apache-2.0
import XenStoreEngine
import XenStoreKernel
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

/// The memory of a guest that outlives daemons: what it has sent, what it was sent, and how far both
/// sides have got, as in a ring's page.
final class Page {
    /// All that the guest has ever put.
    private(set) var requests: [UInt8] = []
    /// All that it was ever given.
    private(set) var replies: [UInt8] = []
    /// What the daemon's words say.
    private(set) var shown = StreamIndexes()
    /// What they were about to say, as the ring transport leaves it.
    private var intended = StreamIndexes()
    /// How many bytes of replies the guest has room for before it reads.
    var room = 1024

    func put(_ operation: Operation, _ payload: String, in transaction: UInt32 = 0, number: UInt32) {
        requests += Message.bytes(
            operation.rawValue, request: number, transaction: transaction, Array(payload.utf8))
    }

    func put(_ bytes: some Sequence<UInt8>) { requests += bytes }

    /// How far the daemon before this one has got.
    var left: StreamIndexes { intended.put == shown.put ? intended : shown }

    /// What the guest has put behind an index.
    func requests(from index: UInt32) -> [UInt8] { Array(requests[Int(index)...]) }

    /// Gives the guest replies and room, and dies on the way if told to.
    func show(_ bytes: UnsafeRawBufferPointer, _ next: StreamIndexes, dies: Bool) {
        intended = next
        replies += bytes
        shown.put = next.put
        if !dies { shown.taken = next.taken }
    }

    /// The messages that the guest was given; nil if what it was given is torn.
    var messages: [Message]? {
        var messages: [Message] = []
        var at = 0
        return replies.withUnsafeBytes { bytes in
            while bytes.count - at >= Header.size {
                let header = Header(UnsafeRawBufferPointer(rebasing: bytes[at...]))
                let end = at + Header.size + Int(header.length)
                guard header.length <= 4096 else { return nil }
                if end > bytes.count { break }
                messages.append(Message(header, Array(bytes[(at + Header.size)..<end])))
                at = end
            }
            return messages
        }
    }
}

/// A transport for one guest, whose page stays when the daemon goes.
final class PageTransport: DomainTransport, Hypervisor, Link {
    static var name: String { "page" }
    static var summary: String { "A guest that outlives the daemon, for tests." }
    static var keys: [ConfigurationKey] { [] }

    /// Where the daemon dies when it next gets there.
    enum Death: CaseIterable {
        case beforeCommit, beforeFlush, inFlush, afterFlush
    }

    let page: Page
    private let engine: Engine
    private(set) var connection: Connection?
    var death: Death?
    private(set) var isDead = false

    init(_ page: Page, _ host: EmbeddedHost) {
        self.page = page
        engine = host.engine
        engine.serveDomains(by: self)
        engine.resumeDomains()
    }

    init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        throw ConfigurationError("only for tests", key: "")
    }
    func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError) {}
    func stop() {}

    var hypervisor: any Hypervisor { self }
    func state(of domain: DomainID) -> DomainState? {
        domain == DomainID(5) ? DomainState(uniqueID: 55) : nil
    }

    func introduce(_ domain: DomainID, gfn: UInt64, port: UInt32, features: Feature) throws(WireError) -> DomainWire {
        connect(domain)
    }

    func reintroduce(_ domain: DomainID, gfn: UInt64, port: UInt32, features: Feature) throws(WireError) -> DomainWire {
        connect(domain)
    }

    func resume(_ domain: DomainID, gfn: UInt64, port: UInt32, features: Feature) throws(WireError) -> DomainWire {
        connect(domain)
    }

    private func connect(_ domain: DomainID) -> DomainWire {
        let peer = Peer(domain: domain, isPrivileged: false, outlivesDaemon: true, transport: "page")
        return DomainWire(self, to: peer, at: page.left)
    }

    func connected(_ connection: Connection) { self.connection = connection }

    func release(_ domain: DomainID) { connection = nil }

    // MARK: The ring

    /// Takes what the guest has put, at most so much.
    func take(_ countMax: Int = 1024) {
        guard let connection, connection.isReading else { return }
        let bytes = page.requests(from: connection.indexes.taken).prefix(countMax)
        if !bytes.isEmpty { Array(bytes).withUnsafeBytes { engine.receive($0, on: connection) } }
    }

    var room: Int { page.room }

    func flush(_ connection: Connection) {
        if death == .beforeFlush { isDead = true }
        if isDead { return }
        let bytes = UnsafeRawBufferPointer(rebasing: connection.unsent.prefix(page.room))
        let now = connection.indexes
        let next = StreamIndexes(taken: now.taken, put: now.put &+ UInt32(bytes.count))
        isDead = death == .inFlush
        page.show(bytes, next, dies: isDead)
        engine.sent(bytes.count, on: connection)
        if death == .afterFlush { isDead = true }
    }

    /// The guest has read: there is room again.
    func makeRoom() {
        if let connection, !isDead { engine.resumeSending(on: connection) }
    }

    func readingChanged(_ connection: Connection) {}
    func close(_ reason: EndReason) { connection = nil }
}
