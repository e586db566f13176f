// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// Keeps other daemons away from a store while it exists.
final class StoreLock {
    private let files: StoreFiles
    private var descriptor: Int32
    private var identity: FileIdentity

    enum Failure: Error {
        /// Another daemon holds the lock.
        case held(StorageError)
        case system(StorageError)

        var error: StorageError {
            switch self {
            case .held(let error), .system(let error): error
            }
        }
    }

    init(_ files: StoreFiles) throws(Failure) {
        self.files = files
        (descriptor, identity) = try Self.take(files)
    }

    /// Takes the lock again if somebody has removed its file, or fails if another daemon was faster.
    func renew() throws(StorageError) {
        if identity.problem(at: files.lock) == nil { return }
        do throws(Failure) {
            let old = descriptor
            (descriptor, identity) = try Self.take(files)
            close(old)
        } catch {
            throw error.error
        }
    }

    private static func take(_ files: StoreFiles) throws(Failure) -> (Int32, FileIdentity) {
        let file = open(files.lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .system(.system("open", files.lock)) }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let failure = errno
            let holder = Self.holder(file).map { ", process \($0)," } ?? ""
            close(file)
            if failure != EWOULDBLOCK { throw .system(.system("lock", files.lock, failure)) }
            throw .held(StorageError("another daemon\(holder) uses '\(files.table)'"))
        }
        ftruncate(file, 0)
        let text = Array("\(getpid())\n".utf8)
        pwrite(file, text, text.count, 0)
        let identity: FileIdentity
        do throws(StorageError) { identity = try FileIdentity(file, files.lock) } catch {
            close(file)
            throw .system(error)
        }
        if identity.problem(at: files.lock) == nil { return (file, identity) }
        // Its last owner has removed the file, so the lock keeps nobody away any more.
        close(file)
        return try take(files)
    }

    /// Removes the file, but the lock still holds. For a tool that must leave no files.
    func removeFile() { unlink(files.lock) }

    deinit {
        // Closing the descriptor is not enough: a child process that starts right now may have a copy of it.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    private static func holder(_ descriptor: Int32) -> Int? {
        var text = [UInt8](repeating: 0, count: 20)
        let count = pread(descriptor, &text, text.count, 0)
        return count > 0 ? Int(String(decoding: text.prefix(count).prefix { $0 > 32 }, as: UTF8.self)) : nil
    }
}
