// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Synchronization
    import XenStorePlugin

    /// The page that a domain shares with the daemon: one ring of bytes each way, and a few words.
    ///
    /// The domain can change all of it at any time. So the daemon reads each word only once, and copies bytes before it
    /// looks at them.
    struct RingPage {
        let base: UnsafeMutableRawPointer

        static let byteCount = 4096
        /// The size of a ring in bytes. Indexes never go back; their remainder is the place in the ring.
        static let capacity: UInt32 = 1024
        private static let replies = 1024

        /// The offsets of the words.
        enum Word: Int {
            case requestConsumer = 2048
            case requestProducer = 2052
            case replyConsumer = 2056
            case replyProducer = 2060
            /// The features of the daemon, as bits.
            case features = 2064
            case connection = 2068
            case error = 2072
            /// The domain's event channel, if Xen itself has made it. 0 otherwise.
            case eventChannel = 2076
        }

        /// The values of the word `connection`.
        enum Connection {
            static let established: UInt32 = 0
            /// One side waits for the other to make a new start.
            static let awaited: UInt32 = 1
        }

        /// The reason why the daemon no longer serves a domain, as a value of the word `error`.
        enum Failure: UInt32 {
            case none = 0
            case communication = 1
            case wildIndexes = 2
            case oversizedMessage = 3

            /// The reason in words, for the log.
            var summary: String {
                switch self {
                case .none: "nothing is wrong"
                case .communication: "it does not read its replies and events"
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

        /// The daemon's own two indexes.
        var indexes: StreamIndexes {
            StreamIndexes(taken: self[.requestConsumer], put: self[.replyProducer])
        }

        /// Copies all requests from the index `consumer` on to `buffer`, which has room for a whole ring. Returns the
        /// number of bytes; nil if the indexes make no sense.
        func copyRequests(from consumer: UInt32, to buffer: UnsafeMutableRawPointer) -> Int? {
            let count = self[.requestProducer] &- consumer
            guard count <= Self.capacity else { return nil }
            if count == 0 { return 0 }
            let place = Place(of: consumer, count)
            buffer.copyMemory(from: base + place.start, byteCount: place.first)
            (buffer + place.first).copyMemory(from: base, byteCount: place.second)
            return Int(count)
        }

        /// The room for replies from the index `producer` on, in bytes; nil if the indexes make no sense.
        func room(from producer: UInt32) -> Int? {
            let used = producer &- self[.replyConsumer]
            return used <= Self.capacity ? Int(Self.capacity &- used) : nil
        }

        /// Copies replies to the place of the index `producer`. The ring must have room for them. The domain sees them
        /// when it sees the new index.
        func copyReplies(_ bytes: UnsafeRawBufferPointer, at producer: UInt32) {
            guard let source = bytes.baseAddress else { return }
            let place = Place(of: producer, UInt32(clamping: bytes.count))
            let ring = base + Self.replies
            (ring + place.start).copyMemory(from: source, byteCount: place.first)
            ring.copyMemory(from: source + place.first, byteCount: place.second)
        }

        /// Writes both indexes into the page, that of the replies first. If the daemon dies in between, the
        /// ``IndexRecord`` has both.
        func show(_ indexes: StreamIndexes) {
            self[.replyProducer] = indexes.put
            // A releasing store: the domain may overwrite the requests only after they are copied.
            self[.requestConsumer] = indexes.taken
            // A full fence: the next read of the domain's index either sees its latest write, or the domain sees our
            // index and sends an event.
            atomicMemoryFence(ordering: .sequentiallyConsistent)
        }

        /// The place of bytes in a ring: a part up to its end, and a part from its beginning on.
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
