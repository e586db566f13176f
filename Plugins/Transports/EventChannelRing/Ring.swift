// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Logging
    import XenStoreKernel
    import XenStoreWire

    /// One domain's ring: moves bytes between the shared page and the domain's session.
    ///
    /// A domain that breaks the protocol is given up: its session ends and its ring is not touched any
    /// more, until the domain asks to begin anew or is introduced again.
    final class Ring: Link {
        let peer: Peer
        /// The daemon's end of the event channel; nil if it could not be bound.
        var port: UInt32?
        /// In the server's list of rings that are to be looked at without an event.
        var isAwoken = false

        private unowned let server: RingServer
        /// Nil once the page is no longer mapped.
        private var page: RingPage?
        private var features = Feature.all
        /// Nil while the domain is given up.
        private var session: Session?
        /// Requests were taken, and the domain has not been told yet that there is room again.
        private var owesEvent = false
        /// The log says once that the domain breaks the protocol: it may do so again and again.
        private var isKnownAsBroken = false

        init(_ peer: Peer, page: RingPage, of server: RingServer) {
            self.peer = peer
            self.page = page
            self.server = server
        }

        // MARK: Coming and going

        /// Begins to serve a domain that was introduced, with empty rings.
        func begin(_ features: Feature, session: Session) {
            self.features = features
            self.session = session
            isKnownAsBroken = false
            guard let page else { return }
            page.empty()
            page[.error] = RingPage.Failure.none.rawValue
            page[.features] = features.rawValue
            if page[.connection] == RingPage.Connection.awaited { establish(page) }
        }

        /// Begins to serve a peer that was there before the daemon, such as dom0's own kernel: what is in
        /// the ring is to be answered.
        func attach(_ features: Feature, session: Session) {
            self.features = features
            self.session = session
            page?[.features] = features.rawValue
            page?[.error] = RingPage.Failure.none.rawValue
            tell()
            serve()
        }

        /// The domain is gone, or the daemon ends. Returns the page, which is no longer used.
        func end() -> RingPage? {
            if let session { server.kernel.disconnect(session) }
            session = nil
            defer { page = nil }
            return page
        }

        // MARK: The domain's side

        /// The domain has sent an event: there are requests, or there is room for replies again, or it
        /// wants to begin anew.
        func serve() {
            guard let page else { return }
            if page[.connection] == RingPage.Connection.awaited, features.contains(.reconnection) {
                return beginAnew(page)
            }
            guard let session else { return }
            server.kernel.resumeSending(on: session)
            if session.isReading { receive(page, session) }
        }

        private func receive(_ page: RingPage, _ session: Session) {
            let buffer = server.buffer
            guard let count = page.takeRequests(to: buffer) else { return giveUp(session, .wildIndexes) }
            if count == 0 { return }
            owesEvent = true
            server.kernel.receive(UnsafeRawBufferPointer(start: buffer, count: count), on: session)
            // One event tells of both the room and the replies; without replies it is due now.
            if self.session != nil, session.unsent.isEmpty { tell() }
        }

        /// Everything that was on its way is dropped, both ways.
        private func beginAnew(_ page: RingPage) {
            page.empty()
            page[.error] = RingPage.Failure.none.rawValue
            if let session {
                server.kernel.reset(session)
            } else {
                session = server.kernel.reconnect(self, as: peer)
            }
            establish(page)
        }

        /// Tells the domain that the rings can be used.
        private func establish(_ page: RingPage) {
            page[.connection] = RingPage.Connection.established
            tell()
        }

        /// One event, for whatever has changed in the page.
        private func tell() {
            owesEvent = false
            if let port { server.channels.notify(port) }
        }

        // MARK: The kernel's side

        func flush(_ session: Session) {
            guard self.session != nil, let page else { return }
            guard let count = page.putReplies(session.unsent) else { return giveUp(session, .wildIndexes) }
            // What did not fit waits for the event that tells of room.
            if count > 0 || owesEvent { tell() }
            if count > 0 { server.kernel.sent(count, on: session) }
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
