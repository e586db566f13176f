// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import CLinux
    import Glibc
    import TestSupport

    /// How a client's bytes reach the daemon. Nothing here waits.
    protocol Carrier: AnyObject {
        /// Readable when there is something to be done.
        var descriptor: Int32 { get }
        /// Sends some of the bytes, and returns how many.
        func send(_ bytes: ArraySlice<UInt8>, _ random: inout Randomness) throws -> Int
        /// What has come; nil if nothing will come any more.
        func receive(_ random: inout Randomness) throws -> [UInt8]?
    }

    /// A socket of the toolstack.
    final class SocketCarrier: Carrier {
        let client: RawClient
        var descriptor: Int32 { client.descriptor }
        private var block = [UInt8](repeating: 0, count: 65536)

        init(_ daemon: CrashDaemon) throws { client = try daemon.connect() }

        func send(_ bytes: ArraySlice<UInt8>, _ random: inout Randomness) throws -> Int {
            max(0, client.trySend(bytes))
        }

        func receive(_ random: inout Randomness) throws -> [UInt8]? {
            let count = recv(descriptor, &block, block.count, linux_msg_dontwait)
            if count == 0 || count < 0 && errno == ECONNRESET { return nil }
            return Array(block[..<max(0, count)])
        }
    }

    /// A guest's ring, which outlives the daemon. As a guest's kernel does it looks at the ring when an event
    /// has come, not otherwise.
    final class RingCarrier: Carrier, CustomStringConvertible {
        private let guest: RingGuest
        /// Takes only a little at a time, so that replies wait in the daemon.
        var isSlow = false
        private var isAwake = true
        /// No room was left; an event will tell of some.
        private var isFull = false

        var descriptor: Int32 { guest.descriptor }

        init(_ guest: RingGuest) { self.guest = guest }

        var description: String {
            "its ring, by words of the page: "
                + RingGuest.Word.allCases.map { "\($0) \(guest[$0])" }.joined(separator: ", ")
                + (guest.isBound ? "" : "; its channel is not bound")
        }

        /// A few bytes or all that there is room for: the daemon sees requests in any pieces.
        func send(_ bytes: ArraySlice<UInt8>, _ random: inout Randomness) throws -> Int {
            if isFull { return 0 }
            let wanted = random.once(in: 4) ? min(random.number(1...40), bytes.count) : bytes.count
            let count = try guest.putTelling(bytes.prefix(wanted))
            isFull = count < wanted
            return count
        }

        /// The ring is empty.
        func beginAnew() {
            isAwake = true
            isFull = false
        }

        func receive(_ random: inout Randomness) throws -> [UInt8]? {
            if guest.takeNotifications() > 0 {
                isAwake = true
                isFull = false
            }
            guard isAwake else { return [] }
            let bytes = try guest.takeTelling(atMost: isSlow ? random.number(1...200) : RingGuest.ringSize)
            isAwake = !bytes.isEmpty
            return bytes
        }
    }
#endif
