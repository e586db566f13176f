// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// Threads that do nothing as fast as they can, like a machine that is busy with other work.
///
/// They end with the last reference to this object, or with the process.
public final class BusyLoops {
    private var threads: [pthread_t] = []
    private let flag = Flag()

    private final class Flag: Sendable {
        let isOver = Atomic(false)
    }

    public init(_ count: Int) throws {
        for _ in 0..<count { threads.append(try Self.start(flag)) }
    }

    deinit {
        flag.isOver.store(true, ordering: .relaxed)
        for thread in threads { pthread_join(thread, nil) }
    }

    private static func start(_ flag: Flag) throws -> pthread_t {
        let retained = Unmanaged.passRetained(flag)
        var thread = pthread_t()
        let code = pthread_create(&thread, nil, run, retained.toOpaque())
        if code == 0 { return thread }
        retained.release()
        throw Trouble("can't start a thread: \(String(cString: strerror(code)))")
    }

    private static let run: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        guard let argument else { return nil }
        let flag = Unmanaged<Flag>.fromOpaque(argument).takeRetainedValue()
        while !flag.isOver.load(ordering: .relaxed) {}
        return nil
    }

    /// The processor time of each thread, in nanoseconds.
    public var used: [Int] {
        threads.map { thread in
            var clock = clockid_t()
            var time = timespec()
            guard pthread_getcpuclockid(thread, &clock) == 0, clock_gettime(clock, &time) == 0 else { return 0 }
            return time.tv_sec * 1_000_000_000 + time.tv_nsec
        }
    }
}
