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
        /// There is something to be done, whatever the descriptor says.
        var isAwake: Bool { get }
    }

    /// A socket of the toolstack.
    final class SocketCarrier: Carrier {
        let client: RawClient
        var descriptor: Int32 { client.descriptor }
        let isAwake = false
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
    final class RingCarrier: Carrier {
        private let guest: RingGuest
        /// Takes only a little at a time, so that replies wait in the daemon.
        var isSlow = false
        private(set) var isAwake = true
        /// No room was left; an event will tell of some.
        private var isFull = false
        /// Something has changed in the page that the daemon was not told of yet.
        private var owesEvent = false

        var descriptor: Int32 { guest.descriptor }

        init(_ guest: RingGuest) { self.guest = guest }

        /// A few bytes or all that there is room for: the daemon sees requests in any pieces.
        func send(_ bytes: ArraySlice<UInt8>, _ random: inout Randomness) throws -> Int {
            if isFull { return 0 }
            let wanted = random.once(in: 4) ? min(random.number(1...40), bytes.count) : bytes.count
            let count = guest.put(bytes.prefix(wanted))
            isFull = count < wanted
            owesEvent = owesEvent || count > 0
            if !random.once(in: 8) { try tell() }
            return count
        }

        func receive(_ random: inout Randomness) throws -> [UInt8]? {
            if guest.takeNotifications() > 0 {
                isAwake = true
                isFull = false
            }
            if isAwake {
                let bytes = guest.take(atMost: isSlow ? random.number(1...200) : RingGuest.ringSize)
                isAwake = !bytes.isEmpty
                owesEvent = owesEvent || !bytes.isEmpty
                if !random.once(in: 8) { try tell() }
                return bytes
            }
            try tell()
            return []
        }

        private func tell() throws {
            if owesEvent { try guest.notify() }
            owesEvent = false
        }
    }
#endif
