// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// Keeps nothing beyond the process. It costs nothing, as the kernel makes no batches for it.
public final class Memory: Storage {
    public static var name: String { "memory" }
    public static var summary: String { "The store lives in the daemon's memory and ends with it." }
    public static var keys: [ConfigurationKey] { [] }

    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}

    public var wantsBatches: Bool { false }
    public func load(into loader: any StateLoader) throws(StorageError) {}
    public func commit(_ batch: borrowing ChangeBatch) throws(StorageError) {}
    public func close() {}
}
