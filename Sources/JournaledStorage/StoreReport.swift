// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// A report on a store for an operator, and the repair of a damaged store.
enum StoreReport {
    private static let listed = 100

    /// Reports on a store and changes nothing. A daemon may use the store meanwhile.
    static func check<Table: JournaledTable>(
        _ path: String, of kind: Table.Type
    ) throws(StorageError) -> Inspection {
        let files = StoreFiles(path, of: kind)
        do throws(TableProblem) {
            let content = try StoreContent(files, of: kind)
            if let problem = content.foreignness { throw problem }
            return report(content, path)
        } catch {
            switch error {
            case .unreadable(let error): throw error
            case .stranger(let stranger): return Inspection(stranger.description, isGood: false)
            case .damaged: return Inspection("\(path): \(error)\nTry --repair-store.", isGood: false)
            case .foreign, .outdated: return Inspection("\(path): \(error)", isGood: false)
            }
        }
    }

    private static func report(_ content: StoreContent, _ path: String) -> Inspection {
        let tree = StoreTree(of: content)
        let notes = content.records.count { $0.data != nil && $0.key.noteKey != nil }
        var lines = ["\(path): \(tree.order.count) nodes, \(notes) notes, \(content.tableSize) bytes"]
        let boot = content.boot ?? ""
        lines.append("boot: \(boot)\(boot == HostBoot.id ? ", this one" : ", not this one")")
        let batches = content.pending.reduce(0) { $0 + $1.sequences.count }
        if batches > 0 { lines.append("journals: \(batches) batches that are not in the file yet") }
        if content.isInterrupted { lines.append("a transaction was interrupted; the next daemon undoes it") }
        lines += list(tree.problems, "problems")
        return Inspection(lines.joined(separator: "\n"), isGood: tree.problems.isEmpty)
    }

    private static func list(_ lines: [String], _ what: String) -> [String] {
        if lines.isEmpty { return ["no \(what)"] }
        let more = lines.count > listed ? ["  and \(lines.count - listed) more"] : []
        return ["\(lines.count) \(what):"] + lines.prefix(listed).map { "  \($0)" } + more
    }

    /// Saves as much of a store as possible under its name, and sets the old store aside.
    static func repair<Table: JournaledTable>(
        _ path: String, of kind: Table.Type
    ) throws(StorageError) -> Inspection {
        let files = StoreFiles(path, of: kind)
        if let stranger = files.stranger(inRepair: true) { throw StorageError(stranger) }
        guard access(path, F_OK) == 0 else { throw .system("find", path) }
        let wasUsed = access(files.lock, F_OK) == 0
        let lock: StoreLock
        do throws(StoreLock.Failure) { lock = try StoreLock(files) } catch { throw error.error }
        defer { if !wasUsed { lock.removeFile() } }
        let content = try readable(files, of: kind)
        let tree = RepairedTree(of: content)
        guard tree.count > 0 else { throw StorageError("'\(path)' has nothing that could be saved") }

        let notes = content.records.compactMap { key, data in
            key.noteKey == nil ? nil : data.map { (key: Array(key.raw), data: Array($0)) }
        }
        let own = RecordKey.all(boot: content.boot ?? HostBoot.id, folded: 0)
        let repaired = files.repaired
        try Table.make(
            files.at(repaired), ConfigurationBlock(defaultsOf: Settings.keys(of: kind)), own + notes + tree.records)
        let old = try files.setAside() ?? ""
        guard rename(repaired, path) == 0 else { throw .system("rename", repaired) }
        try StoreFiles.syncFolder(of: path)
        let lines = ["\(path): \(tree.count) nodes, \(notes.count) notes; as it was: \(old)"]
        return Inspection((lines + list(tree.changes, "changes")).joined(separator: "\n"), isGood: true)
    }

    private static func readable<Table: JournaledTable>(
        _ files: StoreFiles, of kind: Table.Type
    ) throws(StorageError) -> StoreContent {
        do throws(TableProblem) {
            return try StoreContent(files, of: kind)
        } catch {
            if case .unreadable(let error) = error { throw error }
            return try StoreContent(salvaging: files, of: kind)
        }
    }
}
