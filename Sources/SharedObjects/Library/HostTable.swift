// SPDX-License-Identifier: Apache-2.0
import CPlugin
import Glibc
import XenStorePlugin
import XenStoreWire

extension sxp_host {
    /// The table that each plugin gets; the caller fills in whose it is.
    static var forPlugins: sxp_host {
        var table = sxp_host()
        table.abi = UInt32(SXP_ABI)
        table.size = UInt32(MemoryLayout<sxp_host>.size)
        table.setTexts()
        table.setLoop()
        table.setConnections()
        table.setBytes()
        table.measurements = { host, each, context in
            guard let host = SharedInstance.calling(host, "measurements")?.host, let each else { return }
            for part in host.measurements() {
                for measurement in part.measurements { measurement.hand(to: each, context, of: part.name) }
            }
        }
        return table
    }

    // MARK: The log and the values

    private mutating func setTexts() {
        log = { host, level, text in
            // From any thread: the log is made for that, and the instance outlives the plugin's threads.
            guard let daemon = host?.pointee.daemon, let text else { return }
            let instance = Unmanaged<SharedInstance>.fromOpaque(daemon).takeUnretainedValue()
            instance.log.write(
                LogLevel(rawValue: UInt8(truncatingIfNeeded: level.rawValue)) ?? .error, String(cString: text))
        }
        name = { host in
            guard let instance = SharedInstance.calling(host, "name") else { return nil }
            return instance.values.kept(instance.name, as: "@name")
        }
        text = { host, key in
            guard let key else { return nil }
            return SharedInstance.calling(host, "text")?.values.text(String(cString: key))
        }
        number = { host, key, otherwise in
            guard let key else { return otherwise }
            return SharedInstance.calling(host, "number")?.values.number(String(cString: key)) ?? otherwise
        }
        flag = { host, key in
            guard let key else { return 0 }
            return SharedInstance.calling(host, "flag")?.values.number(String(cString: key)) == 1 ? 1 : 0
        }
        count = { host, key in
            guard let key else { return 0 }
            return SharedInstance.calling(host, "count")?.values.count(String(cString: key)) ?? 0
        }
        item = { host, key, index in
            guard let key else { return nil }
            return SharedInstance.calling(host, "item")?.values.item(String(cString: key), index)
        }
        secret = { host, key, length in
            guard let key else { return nil }
            let secret = SharedInstance.calling(host, "secret")?.values.secret(String(cString: key))
            length?.pointee = secret?.count ?? 0
            return secret?.baseAddress
        }
        refuse = { host, key, code, text in
            let words = text.map { String(cString: $0) } ?? "no reason given"
            SharedInstance.calling(host, "refuse")?.refuse(key.map { String(cString: $0) }, code, words)
        }
    }

    // MARK: The event loop

    private mutating func setLoop() {
        watch = { host, descriptor, readiness, context in
            guard let instance = SharedInstance.calling(host, "watch") else { return EPERM }
            return instance.watch(descriptor, Readiness(rawValue: UInt8(truncatingIfNeeded: readiness)), context)
        }
        rewatch = { host, descriptor, readiness in
            guard let instance = SharedInstance.calling(host, "rewatch") else { return }
            let readiness = Readiness(rawValue: UInt8(truncatingIfNeeded: readiness))
            switch instance.descriptors.change(descriptor, to: readiness) {
            case true?: instance.loop?.change(descriptor, to: readiness)
            case false?: break
            case nil: instance.complain("it calls 'rewatch' with a descriptor that it does not watch")
            }
        }
        forget = { host, descriptor in
            guard let instance = SharedInstance.calling(host, "forget"), instance.descriptors.remove(descriptor)
            else { return }
            instance.loop?.remove(descriptor)
        }
        now = { host in SharedInstance.calling(host, "now")?.loop?.now.nanoseconds ?? 0 }
        wake_at = { host, moment, context in
            guard let instance = SharedInstance.calling(host, "wake_at"), let context else { return }
            instance.wake(context, at: moment == 0 ? nil : Moment(nanoseconds: moment))
        }
    }

    // MARK: Connections

    private mutating func setConnections() {
        connect = { host, link, peer in
            guard let instance = SharedInstance.calling(host, "connect"), let peer else { return 0 }
            return instance.connect(link, peer.pointee)
        }
        disconnect = { host, number in
            guard let instance = SharedInstance.calling(host, "disconnect"),
                let connection = instance.connection(number, "disconnect")
            else { return }
            instance.connections.remove(number)
            instance.host?.disconnect(connection)
        }
        received_end = { host, number in
            guard let instance = SharedInstance.calling(host, "received_end"),
                let connection = instance.connection(number, "received_end")
            else { return }
            instance.host?.receivedEnd(on: connection)
        }
        resume_sending = { host, number in
            guard let instance = SharedInstance.calling(host, "resume_sending"),
                let connection = instance.connection(number, "resume_sending")
            else { return }
            instance.host?.resumeSending(on: connection)
        }
        is_reading = { host, number in
            let instance = SharedInstance.calling(host, "is_reading")
            return instance?.connection(number, "is_reading")?.isReading == true ? 1 : 0
        }
        log_number = { host, number in
            SharedInstance.calling(host, "log_number")?.connection(number, "log_number")?.number ?? 0
        }
    }

    private mutating func setBytes() {
        receive = { host, number, bytes, length in
            guard let instance = SharedInstance.calling(host, "receive"),
                let connection = instance.connection(number, "receive")
            else { return 0 }
            instance.host?.receive(UnsafeRawBufferPointer(start: bytes, count: length), on: connection)
            // The bytes may have ended it.
            return instance.connections[number] == nil ? 0 : 1
        }
        unsent = { host, number, length in
            length?.pointee = 0
            guard let connection = SharedInstance.calling(host, "unsent")?.connection(number, "unsent") else {
                return nil
            }
            let bytes = connection.unsent
            length?.pointee = bytes.count
            return bytes.baseAddress
        }
        sent = { host, number, length in
            guard let instance = SharedInstance.calling(host, "sent"),
                let connection = instance.connection(number, "sent")
            else { return }
            let most = connection.unsent.count
            if length > most { instance.complain("it says that it has sent more than there was") }
            instance.host?.sent(min(length, most), on: connection)
        }
    }
}

extension SharedInstance {
    fileprivate func watch(_ descriptor: Int32, _ readiness: Readiness, _ context: UnsafeMutableRawPointer?) -> Int32 {
        guard let loop else { return EPERM }
        if descriptors.contains(descriptor) { return EEXIST }
        let handler = SharedDescriptor(self, context)
        do throws(SystemError) {
            try loop.add(descriptor, for: readiness, handler)
            descriptors.add(descriptor, handler, for: readiness)
            return 0
        } catch {
            return error.code
        }
    }

    fileprivate func wake(_ context: UnsafeMutableRawPointer, at moment: Moment?) {
        guard let moment else {
            if let timer = timers.removeValue(forKey: context) { loop?.wake(timer, at: nil) }
            return
        }
        let timer = timers[context] ?? SharedTimer(self, context)
        timers[context] = timer
        loop?.wake(timer, at: moment)
    }

    fileprivate func connect(_ data: UnsafeMutableRawPointer?, _ peer: sxp_peer) -> UInt64 {
        guard let host, let peer = Peer(peer, transport: name) else {
            complain("it connects a peer that makes no sense")
            return 0
        }
        let link = SharedLink(self, data)
        link.number = connections.add(host.connect(link, as: peer))
        return link.number
    }
}

extension Peer {
    fileprivate init?(_ peer: sxp_peer, transport: String) {
        guard peer.size == UInt32(MemoryLayout<sxp_peer>.size), peer.privileged != 0 || peer.domain < 0x7ff0 else {
            return nil
        }
        let hasLimits = peer.privileged != 0 && (peer.watches, peer.transactions, peer.memory) != (0, 0, 0)
        self.init(
            domain: DomainID(peer.domain), isPrivileged: peer.privileged != 0, mayWrite: peer.read_only == 0,
            transport: transport,
            limits: hasLimits
                ? ClientLimits(
                    watches: Int(peer.watches), transactions: Int(peer.transactions), transactionRequests: 0,
                    memory: Int(clamping: peer.memory)) : nil)
    }
}

extension Measurement {
    fileprivate func hand(
        to each: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<sxp_measurement>?) -> Void,
        _ context: UnsafeMutableRawPointer?, of part: String
    ) {
        part.withCString { part in
            name.withCString { name in
                unit.rawValue.withCString { unit in
                    summary.withCString { summary in
                        var measurement = sxp_measurement(
                            part: part, name: name, unit: unit, summary: summary, value: value,
                            is_total: kind == .total ? 1 : 0)
                        each(context, &measurement)
                    }
                }
            }
        }
    }
}
