// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// Events of the special nodes, from which clients learn which domains come and go.
final class SpecialEvents {
    private let store: Store
    private let watches: Watches
    private let events: Events
    /// Not the scanner of requests: these events are sent while a request is handled.
    private let scanner: PathScanner
    private var found: [Watch] = []

    enum Special {
        case introduceDomain, releaseDomain

        fileprivate var name: StaticString {
            switch self {
            case .introduceDomain: "@introduceDomain"
            case .releaseDomain: "@releaseDomain"
            }
        }
    }

    /// The watches that an event of a special node is for.
    enum Form {
        /// Watches on the plain name, without a depth.
        case plain
        /// Watches on `name/<domid>`, and those on the plain name that have a depth.
        case domain(DomainID)
    }

    init(store: Store, watches: Watches, events: Events, scanner: PathScanner) {
        self.store = store
        self.watches = watches
        self.events = events
        self.scanner = scanner
    }

    func announce(_ special: Special, of id: DomainID) {
        announce(special, form: .plain)
        announce(special, form: .domain(id))
    }

    func announce(_ special: Special, form: Form) {
        if watches.isEmpty { return }
        let node = store.nodes.find(special: special.name)
        let notice = ChangeNotice(
            isExact: true, before: nil,
            now: node.exists ? Sight(node: store.content(of: node).permissions, parent: nil) : nil)
        let plain = UnsafeRawBufferPointer(special.name)
        switch form {
        case .plain:
            send([], of: plain, notice) { $0.depth == nil }
        case .domain(let id):
            let withDepth = find(plain, notice) { ($0.depth ?? 0) >= 1 }
            Array("\(special.name)/\(id.rawValue)".utf8).withBytes { bytes in
                send(withDepth, of: bytes, notice) { ($0.depth ?? 1) >= 1 }
            }
        }
    }

    /// Sends the event to `others` and to the watches on exactly this name that `isMeant` accepts.
    private func send(
        _ others: [Watch], of name: UnsafeRawBufferPointer, _ notice: ChangeNotice, where isMeant: (Watch) -> Bool
    ) {
        var cause = Cause.nobody
        events.send(name, to: others + find(name, notice, where: isMeant), &cause)
    }

    private func find(
        _ name: UnsafeRawBufferPointer, _ notice: ChangeNotice, where isMeant: (Watch) -> Bool
    ) -> [Watch] {
        guard let path = try? scanner.scan(name, home: .control, specials: true) else { return [] }
        watches.find(exactly: path.bytes, hash: path.hash, notice, into: &found, where: isMeant)
        return found
    }
}
