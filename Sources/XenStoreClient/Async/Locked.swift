// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A value that one thread at a time can reach.
///
/// The standard library's `Mutex` would do, but the thread sanitizer does not see it on Linux and
/// reports every use of what it guards; a pthread's mutex lets it check us.
final class Locked<Value>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var value: Value

    init(_ value: Value) {
        self.value = value
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&value)
    }
}
