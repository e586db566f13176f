// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import XenStoreKernel
    import XenStoreWire

    /// One domain's ring: moves bytes between the shared page and the domain's session.
    ///
    /// A domain that breaks the protocol is given up: its session ends and its ring is not touched any
    /// more, until the domain asks to begin anew or is introduced again.
    final class Ring: Link, TimerHandler {
        let peer: Peer
        /// The daemon's end of the event channel; nil if it could not be bound.
        var port: UInt32?
        /// The domain's own end.
        var remotePort: UInt32?
        /// In the server's list of rings that are to be looked at without an event.
        var isAwoken = false

        private unowned let server: RingServer
        /// Nil once the page is no longer mapped.
        private var page: RingPage?
        private var features = Feature.all
        /// Nil while the domain is given up.
        private var session: Session?
        /// What the daemon's words of the page were set to last.
        private var shown = StreamIndexes()
        /// The rings are to be emptied, and the domain to be told, when that is safe to be seen.
        private var isBeginning = false
        /// How long it is left alone, full as it is, before it is looked at again; nil if it is not waited for.
        private var patience: Patience?
        /// The log says once that the domain breaks the protocol: it may do so again and again.
        private var isKnownAsBroken = false

        init(_ peer: Peer, page: RingPage, of server: RingServer) {
            self.peer = peer
            self.page = page
            self.server = server
        }

        // MARK: Coming and going

        /// A domain is introduced: its ring will begin empty.
        func begin(_ features: Feature) -> DomainWire {
            self.features = features
            session = nil
            stopWaiting()
            isKnownAsBroken = false
            isBeginning = true
            return DomainWire(self, to: peer)
        }

        /// A peer was there before the daemon, such as dom0's own kernel: what is in the ring is to be answered.
        func resume(_ features: Feature) -> DomainWire {
            self.features = features
            guard let page else { return DomainWire(self, to: peer) }
            shown = page.indexes
            return DomainWire(self, to: peer, at: server.record?.completed(shown, of: peer.domain) ?? shown)
        }

        func connected(_ session: Session) {
            self.session = session
            if isBeginning { return }
            page?[.features] = features.rawValue
            page?[.error] = RingPage.Failure.none.rawValue
            tell()
            // Not before all domains are there again: what it asks for may concern the others' watches.
            server.awake(self)
        }

        /// The domain is gone, or the daemon ends. Returns the page, which is no longer used.
        func end() -> RingPage? {
            session = nil
            stopWaiting()
            defer { page = nil }
            return page
        }

        /// The daemon ends.
        func endSession() {
            if let session { server.kernel.disconnect(session) }
            session = nil
        }

        // MARK: The domain's side

        /// The domain has sent an event: there are requests, or there is room for replies again, or it
        /// wants to begin anew.
        func serve() {
            guard let page, !isBeginning else { return }
            if page[.connection] == RingPage.Connection.awaited, features.contains(.reconnection) {
                return beginAnew()
            }
            guard let session else { return }
            server.kernel.resumeSending(on: session)
            if session.isReading { receive(page, session) }
        }

        private func receive(_ page: RingPage, _ session: Session) {
            follow(page, session)
            let buffer = server.buffer
            guard let count = page.copyRequests(from: session.indexes.taken, to: buffer) else {
                return giveUp(session, .wildIndexes)
            }
            if count > 0 { server.kernel.receive(UnsafeRawBufferPointer(start: buffer, count: count), on: session) }
        }

        /// The words of the page are the domain's as much as ours: some clear the page before another
        /// kernel takes over.
        private func follow(_ page: RingPage, _ session: Session) {
            let found = page.indexes
            if found == shown { return }
            server.kernel.indexesMoved(on: session, from: shown, to: found)
            shown = found
        }

        /// Everything that was on its way is dropped, both ways.
        private func beginAnew() {
            isBeginning = true
            if let session {
                server.kernel.reset(session)
            } else {
                session = server.kernel.reconnect(self, as: peer)
            }
        }

        /// Empties the rings, and tells the domain that they can be used.
        private func establish(_ page: RingPage) {
            isBeginning = false
            page.empty()
            shown = page.indexes
            server.record?.note(shown, of: peer.domain)
            page[.error] = RingPage.Failure.none.rawValue
            page[.features] = features.rawValue
            guard page[.connection] == RingPage.Connection.awaited else { return }
            page[.connection] = RingPage.Connection.established
            tell()
        }

        /// One event, for whatever has changed in the page.
        private func tell() {
            if let port { server.channels.notify(port) }
        }

        // MARK: The kernel's side

        var room: Int {
            guard let page, let session else { return .max }
            return isBeginning ? Int(RingPage.capacity) : page.room(from: session.indexes.put) ?? .max
        }

        /// What the turn has done is safe: the domain may see it. What it is sent and does not fit waits for
        /// the event that tells of room.
        func flush(_ session: Session) {
            guard self.session != nil, let page else { return }
            if isBeginning { establish(page) }
            follow(page, session)
            guard let room = page.room(from: shown.put) else { return giveUp(session, .wildIndexes) }
            let bytes = UnsafeRawBufferPointer(rebasing: session.unsent.prefix(room))
            let next = StreamIndexes(taken: session.indexes.taken, put: shown.put &+ UInt32(bytes.count))
            if next != shown {
                page.copyReplies(bytes, at: shown.put)
                server.record?.note(next, of: peer.domain)
                page.show(next)
                shown = next
                if !bytes.isEmpty { server.kernel.sent(bytes.count, on: session) }
                tell()
            }
            guard self.session != nil else { return }
            if mayWaitUntold(page, session) { server.awake(self) }
            if !session.unsent.isEmpty { awaitRoom(isFurther: !bytes.isEmpty) }
        }

        /// Whether there is something to be done for which the domain sends no event. It sees no need for one
        /// if what it sent before was not taken yet, nor if it has made room just before the ring was full. It
        /// is the next turn's: others come first, however fast the domain reads and writes.
        private func mayWaitUntold(_ page: RingPage, _ session: Session) -> Bool {
            if session.isReading, page[.requestProducer] != shown.taken { return true }
            return !session.unsent.isEmpty && page.room(from: shown.put) != 0
        }

        // MARK: Readers that tell nobody

        /// The ring is full, and more is to be sent. The domain may make room and send no event, as hvmloader
        /// does: the ring is looked at after a while, soon if the domain has just read something.
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
            guard let page, let session, !session.unsent.isEmpty else { return }
            if page.indexes == shown, page.room(from: shown.put) == 0 { return wait(patience.longer) }
            serve()
        }

        func readingChanged(_ session: Session) {
            // The kernel is in the middle of something: the ring is looked at afterwards.
            if session.isReading, self.session != nil { server.awake(self) }
        }

        func close(_ reason: EndReason) {
            session = nil
            switch reason {
            case .oversizedMessage: fail(.oversizedMessage)
            case .peerNotReading, .answered: fail(.communication)
            }
        }

        /// The event channel that Xen itself has made, for a domain that was there before any toolstack.
        var readyPort: UInt32? {
            guard let port = page?[.eventChannel], port != 0 else { return nil }
            return port
        }

        // MARK: -

        private func giveUp(_ session: Session, _ failure: RingPage.Failure) {
            self.session = nil
            fail(failure)
            server.kernel.disconnect(session)
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
