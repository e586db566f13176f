// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

extension Reactor {
    /// Makes signals events of the loop. A signal no longer interrupts the process. Instead the loop calls `action` for
    /// it, which may do anything.
    ///
    /// This holds for the calling thread and for the threads that it starts later, until the reactor is gone.
    public func onSignals(_ signals: [Int32], _ action: @escaping (Int32) -> Void) throws(SystemError) {
        let source = try SignalSource(signals, action)
        try add(source.descriptor, for: .readable, source)
    }
}

/// A descriptor that becomes readable when a signal comes.
private final class SignalSource: ReadinessHandler {
    let descriptor: Int32
    private let action: (Int32) -> Void
    private var formerMask: sigset_t

    init(_ signals: [Int32], _ action: @escaping (Int32) -> Void) throws(SystemError) {
        var mask = sigset_t()
        sigemptyset(&mask)
        for signal in signals { sigaddset(&mask, signal) }
        var formerMask = sigset_t()
        let failure = pthread_sigmask(SIG_BLOCK, &mask, &formerMask)
        guard failure == 0 else { throw SystemError(failure, doing: "block signals") }
        descriptor = signalfd(-1, &mask, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
        self.action = action
        self.formerMask = formerMask
        guard descriptor >= 0 else { throw SystemError(errno, doing: "create a signalfd") }
    }

    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        pthread_sigmask(SIG_SETMASK, &formerMask, nil)
    }

    func ready(_ descriptor: Int32, for readiness: Readiness) {
        // Reads one signal in a turn. The descriptor stays readable while there are more.
        var information = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        guard read(descriptor, &information, size) == size else { return }
        action(Int32(information.ssi_signo))
    }
}
