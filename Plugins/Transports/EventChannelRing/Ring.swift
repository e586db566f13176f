// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import XenStorePlugin
    import XenStoreWire

    /// One domain's ring: moves bytes between the shared page and the kernel.
    ///
    /// If a domain breaks the protocol, its connection ends, and the daemon does not touch the ring until the domain asks
    /// for a new start or the toolstack introduces it again.
    final class Ring: Link, TimerHandler {
        let peer: Peer
        /// The daemon's end of the event channel; nil if it could not be bound.
        var port: UInt32?
        /// The domain's own end.
        var remotePort: UInt32?
        /// Whether the server has the ring in its list of rings to serve without an event.
        var isAwoken = false

        private unowned let server: RingServer
        /// Nil once the page is no longer mapped.
        private var page: RingPage?
        private var features = Feature.all
        /// Nil while the daemon does not serve the domain.
        private var connection: Connection?
        /// The indexes that the daemon has last written into the page.
        private var shown = StreamIndexes()
        /// The next flush empties the rings and tells the domain. It waits for the commit, since the domain sees it.
        private var isBeginning = false
        /// The wait before the daemon looks at the full ring again; nil if it does not wait.
        private var patience: Patience?
        /// Whether the log has reported the domain. A domain can break the protocol again and again.
        private var isKnownAsBroken = false

        init(_ peer: Peer, page: RingPage, of server: RingServer) {
            self.peer = peer
            self.page = page
            self.server = server
        }

        // MARK: Coming and going

        /// Prepares to serve a domain that is introduced. Its ring will begin empty.
        func begin(_ features: Feature) -> DomainWire {
            self.features = features
            connection = nil
            stopWaiting()
            isKnownAsBroken = false
            isBeginning = true
            return DomainWire(self, to: peer, port: remotePort)
        }

        /// Prepares to serve a peer that is older than the daemon, such as dom0's own kernel. Requests that are already
        /// in the ring get their replies.
        func resume(_ features: Feature) -> DomainWire {
            self.features = features
            guard let page else { return DomainWire(self, to: peer) }
            shown = page.indexes
            let indexes = server.record?.completed(shown, of: peer.domain) ?? shown
            return DomainWire(self, to: peer, at: indexes, port: remotePort)
        }

        func connected(_ connection: Connection) {
            self.connection = connection
            if isBeginning { return }
            page?[.features] = features.rawValue
            page?[.error] = RingPage.Failure.none.rawValue
            tell()
            // In the next turn, when all domains are restored: its requests may fire watches of the others.
            server.awake(self)
        }

        /// Ends the ring when the domain is gone or the daemon ends. Returns the page, which nobody uses any more.
        func end() -> RingPage? {
            connection = nil
            stopWaiting()
            defer { page = nil }
            return page
        }

        /// Ends the connection, since the daemon ends.
        func endConnection() {
            if let connection { server.host.disconnect(connection) }
            connection = nil
        }

        // MARK: The domain's side

        /// Serves the domain after an event: the ring has requests or new room for replies, or the domain asks for a
        /// new start.
        func serve() {
            guard let page, !isBeginning else { return }
            if page[.connection] == RingPage.Connection.awaited, features.contains(.reconnection) {
                return beginAnew()
            }
            guard let connection else { return }
            server.host.resumeSending(on: connection)
            if connection.isReading { receive(page, connection) }
        }

        private func receive(_ page: RingPage, _ connection: Connection) {
            follow(page, connection)
            let buffer = server.buffer
            guard let count = page.copyRequests(from: connection.indexes.taken, to: buffer) else {
                return giveUp(connection, .wildIndexes)
            }
            if count > 0 { server.host.receive(UnsafeRawBufferPointer(start: buffer, count: count), on: connection) }
        }

        /// Accepts indexes that the domain has changed. Some domains clear the page before another kernel takes over.
        private func follow(_ page: RingPage, _ connection: Connection) {
            let found = page.indexes
            if found == shown { return }
            server.host.indexesMoved(on: connection, from: shown, to: found)
            shown = found
        }

        /// Drops all requests and replies that are on their way.
        private func beginAnew() {
            isBeginning = true
            if let connection {
                server.host.reset(connection)
            } else {
                connection = server.host.reconnect(self, as: peer)
            }
        }

        /// Empties the rings, and tells the domain that they can be used.
        private func establish(_ page: RingPage) {
            isBeginning = false
            page.empty()
            shown = page.indexes
            server.record?.write(shown, of: peer.domain)
            page[.error] = RingPage.Failure.none.rawValue
            page[.features] = features.rawValue
            guard page[.connection] == RingPage.Connection.awaited else { return }
            page[.connection] = RingPage.Connection.established
            tell()
        }

        /// Sends the domain one event for all changes in the page.
        private func tell() {
            if let port { server.channels.notify(port) }
        }

        // MARK: The kernel's side

        var room: Int {
            guard let page, let connection else { return .max }
            return isBeginning ? Int(RingPage.capacity) : page.room(from: connection.indexes.put) ?? .max
        }

        /// Sends replies and events. The turn is committed, so the domain may see its effects. Bytes that do not fit
        /// wait until the domain has made room and sends an event.
        func flush(_ connection: Connection) {
            guard self.connection != nil, let page else { return }
            if isBeginning { establish(page) }
            follow(page, connection)
            guard let room = page.room(from: shown.put) else { return giveUp(connection, .wildIndexes) }
            let bytes = UnsafeRawBufferPointer(rebasing: connection.unsent.prefix(room))
            let next = StreamIndexes(taken: connection.indexes.taken, put: shown.put &+ UInt32(bytes.count))
            if next != shown {
                page.copyReplies(bytes, at: shown.put)
                server.record?.write(next, of: peer.domain)
                page.show(next)
                shown = next
                if !bytes.isEmpty { server.host.sent(bytes.count, on: connection) }
                tell()
            }
            guard self.connection != nil else { return }
            if mayWaitUntold(page, connection) { server.awake(self) }
            if !connection.unsent.isEmpty { awaitRoom(isFurther: !bytes.isEmpty) }
        }

        /// Whether the ring has work for which the domain sends no event. The domain sends none if (a) the daemon had
        /// not taken its earlier request yet, or (b) it made room just before the ring was full. The next turn does
        /// this work, so that a fast domain does not keep others waiting.
        private func mayWaitUntold(_ page: RingPage, _ connection: Connection) -> Bool {
            if connection.isReading, page[.requestProducer] != shown.taken { return true }
            return !connection.unsent.isEmpty && page.room(from: shown.put) != 0
        }

        // MARK: Readers that tell nobody

        /// Has the daemon look at the full ring again after a while, as the domain may make room without an event;
        /// hvmloader does so. The first wait is short, and so is the one after the domain has read something.
        private func awaitRoom(isFurther: Bool) {
            if isFurther ? patience == Patience() : patience != nil { return }
            wait(Patience())
        }

        private func wait(_ patience: Patience) {
            self.patience = patience
            server.loop.wake(self, at: patience.end(from: server.loop.now))
        }

        private func stopWaiting() {
            if patience != nil { server.loop.wake(self, at: nil) }
            patience = nil
        }

        func wake(at now: Moment) {
            guard let patience else { return }
            self.patience = nil
            guard let page, let connection, !connection.unsent.isEmpty else { return }
            if page.indexes == shown, page.room(from: shown.put) == 0 { return wait(patience.longer) }
            serve()
        }

        func readingChanged(_ connection: Connection) {
            // The kernel is in the middle of its work. The server serves the ring afterwards.
            if connection.isReading, self.connection != nil { server.awake(self) }
        }

        func close(_ reason: EndReason) {
            connection = nil
            switch reason {
            case .oversizedMessage: fail(.oversizedMessage)
            case .peerNotReading, .answered: fail(.communication)
            }
        }

        /// The event channel that Xen itself has made, for a domain that is older than any toolstack.
        var readyPort: UInt32? {
            guard let port = page?[.eventChannel], port != 0 else { return nil }
            return port
        }

        /// Whether the domain waits for a new start.
        var isAwaiting: Bool { page?[.connection] == RingPage.Connection.awaited }

        // MARK: -

        private func giveUp(_ connection: Connection, _ failure: RingPage.Failure) {
            self.connection = nil
            fail(failure)
            server.host.disconnect(connection)
        }

        private func fail(_ failure: RingPage.Failure) {
            if features.contains(.errorField) { page?[.error] = failure.rawValue }
            tell()
            if isKnownAsBroken { return }
            isKnownAsBroken = true
            server.log.notice("domain \(peer.domain.rawValue) is no longer served: \(failure.summary)")
        }
    }
#endif
