// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Synchronization
    import XenStoreKernel

    /// The page that a domain shares with the daemon: one ring of bytes each way, and a few words.
    ///
    /// The domain can change all of it at any time. So every word is read once and then judged, and
    /// bytes are copied out before anybody looks at them.
    struct RingPage {
        let base: UnsafeMutableRawPointer

        static let byteCount = 4096
        /// Bytes that a ring holds. Indexes count on for ever; their remainder is the place in the ring.
        static let capacity: UInt32 = 1024
        private static let replies = 1024

        /// Where the words lie.
        enum Word: Int {
            case requestConsumer = 2048
            case requestProducer = 2052
            case replyConsumer = 2056
            case replyProducer = 2060
            /// What the daemon can do, as bits.
            case features = 2064
            case connection = 2068
            case error = 2072
            /// The domain's event channel, if Xen itself has made it. 0 otherwise.
            case eventChannel = 2076
        }

        /// What the word `connection` says.
        enum Connection {
            static let established: UInt32 = 0
            /// One side waits for the other to begin anew.
            static let awaited: UInt32 = 1
        }

        /// Why a domain is no longer served: what the word `error` says.
        enum Failure: UInt32 {
            case none = 0
            case communication = 1
            case wildIndexes = 2
            case oversizedMessage = 3

            /// For the log.
            var summary: String {
                switch self {
                case .none: "nothing is wrong"
                case .communication: "it does not read what it is sent"
                case .wildIndexes: "the indexes of its ring make no sense"
                case .oversizedMessage: "it has sent a message longer than the protocol allows"
                }
            }
        }

        subscript(word: Word) -> UInt32 {
            get { atomic(word).pointee.load(ordering: .acquiring) }
            nonmutating set { atomic(word).pointee.store(newValue, ordering: .releasing) }
        }

        private func atomic(_ word: Word) -> UnsafeMutablePointer<Atomic<UInt32>> {
            (base + word.rawValue).assumingMemoryBound(to: Atomic<UInt32>.self)
        }

        /// Empties both rings.
        func empty() {
            self[.requestConsumer] = 0
            self[.requestProducer] = 0
            self[.replyConsumer] = 0
            self[.replyProducer] = 0
        }

        /// What the daemon's own words say.
        var indexes: StreamIndexes {
            StreamIndexes(taken: self[.requestConsumer], put: self[.replyProducer])
        }

        /// Copies all requests that are there from the index `consumer` on to `buffer`, which holds a whole
        /// ring. Returns how many bytes that were; nil if the indexes make no sense.
        func copyRequests(from consumer: UInt32, to buffer: UnsafeMutableRawPointer) -> Int? {
            let count = self[.requestProducer] &- consumer
            guard count <= Self.capacity else { return nil }
            if count == 0 { return 0 }
            let place = Place(of: consumer, count)
            buffer.copyMemory(from: base + place.start, byteCount: place.first)
            (buffer + place.first).copyMemory(from: base, byteCount: place.second)
            return Int(count)
        }

        /// How many bytes of replies there is room for from the index `producer` on; nil if the indexes make
        /// no sense.
        func room(from producer: UInt32) -> Int? {
            let used = producer &- self[.replyConsumer]
            return used <= Self.capacity ? Int(Self.capacity &- used) : nil
        }

        /// Copies replies, for which there must be room, to where the index `producer` points. The domain sees
        /// them when it sees the index.
        func copyReplies(_ bytes: UnsafeRawBufferPointer, at producer: UInt32) {
            guard let source = bytes.baseAddress else { return }
            let place = Place(of: producer, UInt32(clamping: bytes.count))
            let ring = base + Self.replies
            (ring + place.start).copyMemory(from: source, byteCount: place.first)
            ring.copyMemory(from: source + place.first, byteCount: place.second)
        }

        /// Shows the domain how far the daemon has got. The replies come first: a daemon that dies in
        /// between finds in the ``IndexRecord`` what it was about to do.
        func show(_ indexes: StreamIndexes) {
            self[.replyProducer] = indexes.put
            // Released: the domain may write there only when the bytes are copied.
            self[.requestConsumer] = indexes.taken
            // What is read from the page after this was written by a domain that knew it: one that did not
            // know has sent an event.
            atomicMemoryFence(ordering: .sequentiallyConsistent)
        }

        /// Where bytes lie in a ring: up to its end, and from its beginning on.
        private struct Place {
            let start: Int
            let first: Int
            let second: Int

            init(of index: UInt32, _ count: UInt32) {
                start = Int(index & (RingPage.capacity &- 1))
                first = min(Int(count), Int(RingPage.capacity) &- start)
                second = Int(count) &- first
            }
        }
    }
#endif
