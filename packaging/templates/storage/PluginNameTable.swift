// SPDX-License-Identifier: Apache-2.0
import Glibc
import JournaledStorage
import XenStorePlugin

/// A plain file, which is written as a whole for each outcome. It begins with a line of text. Then comes each record: the
/// length of its key and of its data, four bytes each, and both.
public final class PluginNameTable: JournaledTable {
    public static var name: String { "plugin-name" }
    public static var summary: String { "The store lives in one plain file, written as a whole each time." }

    private let files: StoreFiles
    private let syncs: Bool
    private var place: TablePlace
    private var descriptor: Int32

    private static let magic = Array("plugin-name 1\n".utf8)

    public init(_ files: StoreFiles, syncs: Bool, isSuspect: Bool) throws(StorageError) {
        (self.files, self.syncs) = (files, syncs)
        let file = open(files.table, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else { throw .system("open", files.table) }
        do throws(StorageError) { place = try TablePlace(files, file) } catch {
            close(file)
            throw error
        }
        descriptor = file
    }

    deinit { close(descriptor) }

    public var size: Int { place.size }
    public func takeMended() -> StorageError? { place.takeMended() }
    public static func bytesToApply(journals: Int, table: Int) -> Int { journals + table }

    // MARK: Reading

    public static func recognizes(_ file: FileHead, isDraft: Bool) -> Bool {
        guard let (bytes, isAll) = file.first(magic.count) else { return true }
        return bytes == magic || isAll && FileHead.isZero(bytes)
    }

    public static func read(_ files: StoreFiles, into content: StoreContent) throws(TableProblem) {
        let bytes: [UInt8]
        do throws(StorageError) { bytes = try WholeFile.read(files.table) ?? [] } catch { throw .unreadable(error) }
        guard bytes.starts(with: magic) else { throw .damaged("it does not begin as a table does") }
        guard bytes.withUnsafeBytes({ forEachRecord(in: $0, content.add) }) else { throw .damaged("it is cut off") }
        content.describe(size: bytes.count)
    }

    /// False if the file ends in the middle of a record. No length of the file is trusted.
    private static func forEachRecord(
        in bytes: UnsafeRawBufferPointer, _ body: (Bytes, UnsafeRawBufferPointer) -> Void
    ) -> Bool {
        var rest = bytes[magic.count...]
        func take(_ count: Int) -> UnsafeRawBufferPointer? {
            guard rest.count >= count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return UnsafeRawBufferPointer(rebasing: rest.prefix(count))
        }
        while !rest.isEmpty {
            guard let lengths = take(8)?.loadUnaligned(as: SIMD2<UInt32>.self),
                let key = take(Int(lengths.x)), let data = take(Int(lengths.y))
            else { return false }
            body(Bytes(key), data)
        }
        return true
    }

    // MARK: Writing

    public static func make(
        _ files: StoreFiles, _ configuration: ConfigurationBlock, _ records: [(key: [UInt8], data: [UInt8])]
    ) throws(StorageError) {
        var image = magic
        for (key, data) in records { append(key, data, to: &image) }
        do throws(TableFailure) { close(try write(image, files, syncs: true)) } catch { throw error.error }
    }

    public func apply(_ outcome: JournalOutcome, unless isHurried: () -> Bool) throws(TableFailure) {
        let image: [UInt8]
        do throws(StorageError) {
            if try !place.mustWriteAgain(descriptor), outcome.records.isEmpty { return }
            image = try self.image(with: outcome)
        } catch {
            throw .failed(error)
        }
        if isHurried() { throw .failed(StorageError("the daemon ends")) }
        let fresh = try Self.write(image, files, syncs: syncs)
        close(descriptor)
        descriptor = fresh
        do throws(StorageError) { try place.follow(fresh) } catch { throw .failed(error) }
    }

    /// The whole file: the records that stay, and then those of the outcome.
    private func image(with outcome: JournalOutcome) throws(StorageError) -> [UInt8] {
        var image = Self.magic
        try WholeFile.read(descriptor, files.table).withUnsafeBytes { old in
            _ = Self.forEachRecord(in: old) { key, data in
                if outcome.records[key] == nil, !outcome.subtrees.contains(key) {
                    Self.append(key.raw, data, to: &image)
                }
            }
        }
        for case (let key, let data?) in outcome.records { Self.append(key.raw, data, to: &image) }
        return image
    }

    private static func append(_ key: some Collection<UInt8>, _ data: some Collection<UInt8>, to image: inout [UInt8]) {
        withUnsafeBytes(of: SIMD2(UInt32(key.count), UInt32(data.count))) { image += $0 }
        image += key
        image += data
    }

    /// Puts a file in the table's place, in one step, and returns its descriptor.
    private static func write(_ image: [UInt8], _ files: StoreFiles, syncs: Bool) throws(TableFailure) -> Int32 {
        let file: Int32
        do throws(StorageError) { file = try files.openDraft(of: files.table) } catch { throw .failed(error) }
        guard WholeFile.write(image, to: file, at: 0), !syncs || fsync(file) == 0,
            rename(StoreFiles.draft(of: files.table), files.table) == 0
        else {
            let failure = TableFailure.system("write", files.table)
            close(file)
            throw failure
        }
        do throws(StorageError) { if syncs { try StoreFiles.syncFolder(of: files.table) } } catch {
            close(file)
            throw .failed(error)
        }
        return file
    }
}
