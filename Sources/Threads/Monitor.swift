// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A mutex with one condition. A thread that holds the mutex may wait until another thread has changed something.
package final class Monitor: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let change = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    package init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(change, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(change)
        pthread_mutex_destroy(mutex)
        change.deallocate()
        mutex.deallocate()
    }

    package func lock() { pthread_mutex_lock(mutex) }
    package func unlock() { pthread_mutex_unlock(mutex) }

    /// Calls `body` while no other thread holds the mutex.
    package func locked<Value>(_ body: () -> Value) -> Value {
        lock()
        defer { unlock() }
        return body()
    }

    /// Wakes all threads that wait for a change.
    package func tellChange() { pthread_cond_broadcast(change) }

    /// Waits for a change. Other threads may lock meanwhile.
    package func awaitChange() { pthread_cond_wait(change, mutex) }

    /// Waits for a change until a time of the monotonic clock. False if that time has come.
    @discardableResult
    package func awaitChange(until moment: timespec) -> Bool {
        var moment = moment
        return pthread_cond_timedwait(change, mutex, &moment) != ETIMEDOUT
    }
}
