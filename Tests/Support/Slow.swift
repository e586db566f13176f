// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import Testing

/// A suite whose tests take more than a second together. Most of that is waiting, or the starts of many daemons.
/// `QUICK=1` leaves it out, as `make unit` does.
///
/// Swift Testing has as many threads as there are processors. The time that it prints for a suite includes the wait for
/// a thread. The tests of a slow suite have threads of their own, so other tests go on while they wait, and the suite
/// prints the time of its tests alone.
public struct Slow: SuiteTrait, TestTrait, TestScoping {
    private let time = Time()
    public let isRecursive = true

    public func prepare(for test: Test) async throws {
        if getenv("QUICK") != nil { try Test.cancel("it is slow") }
    }

    public func scopeProvider(for test: Test, testCase: Test.Case?) -> Slow? { self }

    public func provideScope(
        for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void
    ) async throws {
        if test.isSuite {
            try await body()
            print("\(test.name): \(time.sum.formatted(.units(allowed: [.seconds], fractionalPart: .show(length: 1))))")
            fflush(nil)
        } else if testCase != nil {
            try await withTaskExecutorPreference(Threads.shared) {
                let start = ContinuousClock.now
                defer { time.add(.now - start) }
                try await body()
            }
        } else {
            try await body()
        }
    }
}

extension Trait where Self == Slow {
    /// See ``Slow``.
    public static var slow: Slow { Slow() }
}

/// The time that the tests of a suite have taken.
private final class Time: Sendable {
    private let total = Mutex(Duration.zero)

    var sum: Duration { total.withLock { $0 } }

    func add(_ duration: Duration) { total.withLock { $0 += duration } }
}

/// Threads for tests that wait. They are few, since some tests need the processors after all.
private final class Threads: TaskExecutor {
    static let shared = Threads()
    private let queue = OperationQueue()

    init() { queue.maxConcurrentOperationCount = 4 }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.addOperation { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
