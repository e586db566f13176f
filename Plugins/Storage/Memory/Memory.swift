// SPDX-License-Identifier: Apache-2.0
import XenStoreKernel

public final class MemoryStorage: Storage {
    public static let name = "memory"
    public static let summary = "Keeps nothing."
    public static let keys: [ConfigurationKey] = []
    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}
    public var wantsBatches: Bool { false }
    public func load(into loader: StateLoader) throws(StorageError) {}
    public func commit(_ batch: borrowing ChangeBatch) throws(StorageError) {}
    public func close() {}
}
