// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// What one domain holds of each bounded resource.
struct Usage: BitwiseCopyable {
    var nodes = 0
    var watches = 0
    var transactions = 0
    var outstanding = 0
    /// The bytes of nodes, transactions and what they pin, watches, waiting requests, and waiting replies.
    var memory = 0
    /// The bytes of events that wait to be read.
    var events = 0
}

/// The accounting: what every domain holds. The code that makes or drops a thing adjusts it there.
///
/// Two levels of tables, so that a look-up never hashes, and unused ranges cost nothing.
final class Ledger {
    private let pages: UnsafeMutablePointer<UnsafeMutablePointer<Usage>?>
    /// The most that an unprivileged domain has ever held (CONTROL `quota max`).
    private(set) var peak = Usage()

    init() {
        pages = .allocate(capacity: 256)
        pages.initialize(repeating: nil, count: 256)
    }

    deinit {
        for index in 0..<256 { pages[index]?.deallocate() }
        pages.deallocate()
    }

    private func usage(_ domain: DomainID) -> UnsafeMutablePointer<Usage> {
        let page = Int(domain.rawValue >> 8)
        let index = Int(domain.rawValue & 0xff)
        if let usages = pages[page] { return usages + index }
        let usages = UnsafeMutablePointer<Usage>.allocate(capacity: 256)
        usages.initialize(repeating: Usage(), count: 256)
        pages[page] = usages
        return usages + index
    }

    subscript(domain: DomainID) -> Usage { usage(domain).pointee }

    /// Counts one more node, or one less, that takes `bytes`.
    func adjustNodes(of domain: DomainID, by count: Int, bytes: Int) {
        adjust(domain) { usage in
            usage.nodes += count
            usage.memory += bytes
        }
    }

    func adjustMemory(of domain: DomainID, by bytes: Int) { adjust(domain) { $0.memory += bytes } }

    func adjustWatches(of domain: DomainID, by count: Int, bytes: Int) {
        adjust(domain) { usage in
            usage.watches += count
            usage.memory += bytes
        }
    }

    func adjustTransactions(of domain: DomainID, by count: Int) { adjust(domain) { $0.transactions += count } }

    func adjustOutstanding(of domain: DomainID, by count: Int) { adjust(domain) { $0.outstanding += count } }

    func adjustEvents(of domain: DomainID, by bytes: Int) { adjust(domain) { $0.events += bytes } }

    @inline(__always)
    private func adjust(_ domain: DomainID, _ change: (inout Usage) -> Void) {
        let usage = usage(domain)
        change(&usage.pointee)
        raisePeak(usage, domain)
    }

    func resetPeaks() { peak = Usage() }

    /// Sets the number of nodes of each domain, by its number, and returns the old number where it was wrong.
    func setNodes(_ counted: [Int]) -> [(domain: DomainID, was: Int)] {
        var wrong: [(domain: DomainID, was: Int)] = []
        for page in 0..<256 {
            guard let usages = pages[page] else { continue }
            for index in 0..<256 {
                let domain = DomainID(UInt16(page << 8 | index))
                let nodes = counted[Int(domain.rawValue)]
                if usages[index].nodes != nodes { wrong.append((domain, usages[index].nodes)) }
                usages[index].nodes = nodes
            }
        }
        return wrong
    }

    @inline(__always)
    private func raisePeak(_ usage: UnsafeMutablePointer<Usage>, _ domain: DomainID) {
        if domain == .control { return }
        peak.nodes = max(peak.nodes, usage.pointee.nodes)
        peak.watches = max(peak.watches, usage.pointee.watches)
        peak.transactions = max(peak.transactions, usage.pointee.transactions)
        peak.outstanding = max(peak.outstanding, usage.pointee.outstanding)
        peak.memory = max(peak.memory, usage.pointee.memory)
        peak.events = max(peak.events, usage.pointee.events)
    }
}
