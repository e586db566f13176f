// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// A storage that writes changes to a journal before they reach its table.
///
/// A commit adds one batch to the journal, which is one write. `Folding` brings the batch into the table a little
/// later. So a commit is cheap, even if a change of the table is not.
public final class JournaledStorage<Table: JournaledTable>: Storage {
    public static var name: String { Table.name }
    public static var summary: String { Table.summary }
    public static var keys: [ConfigurationKey] { Settings.keys(of: Table.self) }

    /// Reports on a store and changes nothing. A daemon may use the store meanwhile.
    public static func check(_ path: String) throws(StorageError) -> Inspection {
        try StoreReport.check(path, of: Table.self)
    }

    /// Saves as much of a store as possible under its name, and sets the old store aside.
    public static func repair(_ path: String) throws(StorageError) -> Inspection {
        try StoreReport.repair(path, of: Table.self)
    }

    private let configuration: ConfigurationBlock
    private let settings: Settings
    private let files: StoreFiles
    private let log: PluginLog
    private var lock: StoreLock?
    private var folding: Folding?
    /// The changes since a start at which the store could not be opened.
    private var standby: Standby?
    private let batch = Batch()
    /// How long the last commit with a sync took, in nanoseconds.
    private var commitTime: UInt64 = 0
    /// When the log last reported a slow commit.
    private var slownessSaid: UInt64 = 0
    /// The boot of the host that the store belongs to.
    var boot: () -> String = { HostBoot.id }

    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        self.configuration = configuration
        settings = Settings(configuration)
        files = StoreFiles(settings.path, of: Table.self)
        log = configuration.log
    }

    deinit { abandon() }

    public var wantsBatches: Bool { true }

    public func load(into loader: any StateLoader) throws(StorageError) {
        // Without this the system would kill the daemon when a file may not grow. Now the write fails with an error.
        signal(SIGXFSZ, SIG_IGN)
        if let stranger = files.stranger() { throw StorageError(stranger) }
        do throws(StoreLock.Failure) { try takeLock() } catch {
            // A second daemon must not go on. It would serve another store.
            if case .held(let error) = error { throw error }
            try goOn(without: error.error)
        }
        let (content, tree) = try openContent()
        try hand(content, tree, to: loader)
        if standby == nil {
            do throws(StorageError) { try startFolding(content) } catch { try goOn(without: error) }
        }
        standby?.follow(content)
    }

    /// Keeps changes in memory if the operator has chosen that. Otherwise throws.
    private func goOn(without error: StorageError) throws(StorageError) {
        if !settings.keepsUnsaved { throw error }
        folding = nil
        lock = nil
        if standby == nil {
            log.error("\(error); the store is in memory only until that works, and lost if the daemon ends before")
        }
        standby = standby ?? Standby()
    }

    private func takeLock() throws(StoreLock.Failure) {
        do throws(StorageError) { try files.makeFolder() } catch { throw .system(error) }
        lock = try StoreLock(files)
    }

    private func startFolding(_ content: StoreContent) throws(StorageError) {
        guard let lock else { throw StorageError("'\(files.table)' is not locked") }
        // A store that survives a reboot must be whole after it, at least as of the last fold.
        let table = try Table(
            files, syncs: settings.syncs || settings.outlivesBoot, isSuspect: content.isAltered)
        let folding = Folding(table, files, lock, content, settings, log: log)
        try folding.start()
        self.folding = folding
    }

    public func commit(_ changes: borrowing ChangeBatch) throws(StorageError) {
        try batch.take(changes)
        if standby != nil, !endStandby() { return stand(batch) }
        guard let folding else { throw StorageError("'\(files.table)' is not open") }
        let needsSync = settings.syncs && !changes.endsWithBoot
        let begin = Self.now()
        try folding.append(batch, needsSync: needsSync)
        let end = Self.now()
        if needsSync { commitTime = end &- begin }
        if end &- begin > Self.slow { saySlow(end &- begin, at: end) }
    }

    // MARK: Standing by

    private func stand(_ batch: Batch) {
        let wasGivenUp = standby?.isGivenUp ?? true
        standby?.add(batch)
        if !wasGivenUp, standby?.isGivenUp == true {
            log.error("too many changes wait for '\(files.table)'; only a restart makes the daemon write it again")
        }
    }

    /// Tries to store the changes since the start.
    private func endStandby() -> Bool {
        guard standby?.mayTry(at: Self.now()) == true, let standby else { return false }
        do {
            try takeLock()
            try startFolding(contentToContinue(standby))
            for batch in standby.batches { try folding?.append(batch, needsSync: false) }
            self.standby = nil
            log.notice("'\(files.table)' can be written again; it has all changes since the start")
            return true
        } catch {
            folding?.stop(orderly: false)
            (folding, lock) = (nil, nil)
            return false
        }
    }

    private func contentToContinue(_ standby: Standby) throws(StorageError) -> StoreContent {
        guard let base = standby.base else {
            _ = try files.setAside()
            return try makeTable().0
        }
        do throws(TableProblem) {
            let content = try StoreContent(files, of: Table.self)
            if content.identity == base.store, content.lastSequence == base.last { return content }
        } catch {
            throw StorageError("\(error)")
        }
        throw StorageError("'\(files.table)' has changed since the start")
    }

    private func saySlow(_ duration: UInt64, at now: UInt64) {
        if slownessSaid != 0, now &- slownessSaid < Self.slownessPause { return }
        slownessSaid = now
        log.warning("a commit to '\(files.table)' took \(duration / 1_000_000) ms; no client got a reply meanwhile")
    }

    private static var slow: UInt64 { 1_000_000_000 }
    private static var slownessPause: UInt64 { 60_000_000_000 }

    public var lacksRoom: Bool { folding?.lacksRoom ?? false }

    /// A sync takes as long as dozens of requests, so it pays to wait half as long for more requests. With a slow disk
    /// no client notices the wait.
    public var patience: UInt64 { settings.syncs ? min(commitTime / 2, 1_000_000) : 0 }

    public var load: Int { folding?.load ?? 0 }

    public func close() {
        if standby != nil {
            log.error("all changes since the start are lost: '\(files.table)' could not be written")
        }
        folding?.stop()
        folding = nil
        lock = nil
    }

    /// Leaves all files as a killed daemon does. For tests.
    public func abandon() {
        folding?.stop(orderly: false)
        folding = nil
        lock = nil
    }

    // MARK: Loading

    /// The content of the store. Sets aside a file that is not a store of this boot, and makes a new one.
    private func openContent() throws(StorageError) -> (StoreContent, StoreTree) {
        guard access(files.table, F_OK) == 0 else {
            if errno != ENOENT { throw .system("look at", files.table) }
            if files.journals.allSatisfy({ access($0, F_OK) != 0 }) { return try startEmpty() }
            return try startAnew(.error, "is gone, and its journals alone are not enough")
        }
        do throws(TableProblem) {
            let content = try StoreContent(files, of: Table.self)
            if let problem = content.foreignness { throw problem }
            if content.boot != boot(), !settings.outlivesBoot { throw .outdated }
            let tree = StoreTree(of: content)
            if let problem = tree.problems.first {
                throw .damaged("\(tree.problems.count) problems, the first of them: \(problem)")
            }
            if content.isInterrupted { log.notice("an interrupted transaction has been undone") }
            return (content, tree)
        } catch {
            switch error {
            case .unreadable(let error): throw error
            case .stranger(let stranger): throw StorageError(stranger)
            case .outdated: return try startAnew(.notice, "is of an earlier boot of the host")
            case .foreign(let reason): return try startAnew(.error, "is no store of ours: \(reason)")
            case .damaged(let reason):
                return try startAnew(.error, "is damaged: \(reason)", advice: "try 'sxenstored --repair-store'")
            }
        }
    }

    private func startAnew(
        _ level: LogLevel, _ reason: String, advice: String? = nil
    ) throws(StorageError) -> (StoreContent, StoreTree) {
        let hint = advice.map { "; \($0)" } ?? ""
        var name = "still there"
        do throws(StorageError) { name = try files.setAside().map { "'\($0)' now" } ?? name } catch {
            try goOn(without: error)
        }
        log.write(level, "'\(files.table)' \(reason); it is \(name), and the store is empty\(hint)")
        do throws(StorageError) {
            let gone = try files.removeSetAsides(keeping: settings.setAsideMax)
            for old in gone { log.notice("'\(old)' is removed: set-aside-max keeps \(settings.setAsideMax)") }
        } catch {
            log.warning("\(error); more than \(settings.setAsideMax) stores that were set aside are kept")
        }
        return try startEmpty()
    }

    private func startEmpty() throws(StorageError) -> (StoreContent, StoreTree) {
        if standby == nil {
            do throws(StorageError) { return try makeTable() } catch { try goOn(without: error) }
        }
        return (StoreContent(), StoreTree(of: StoreContent()))
    }

    private func makeTable() throws(StorageError) -> (StoreContent, StoreTree) {
        try Table.make(files, configuration, RecordKey.all(boot: boot(), folded: 0))
        do throws(TableProblem) {
            let content = try StoreContent(files, of: Table.self)
            return (content, StoreTree(of: content))
        } catch {
            throw StorageError("can't read '\(files.table)' back: \(error)")
        }
    }

    private func hand(_ content: StoreContent, _ tree: StoreTree, to loader: any StateLoader) throws(StorageError) {
        for position in tree.order {
            let (key, data) = content.records[position]
            guard let node = data.flatMap(StoredNode.init) else { continue }
            try loader.add(
                NodeRecord(
                    path: key.raw, value: node.value, permissions: node.permissions,
                    generation: node.generation, children: Array(node.children)))
        }
        for (key, data) in content.records {
            if let data, let key = key.noteKey { loader.add(key: key, value: data) }
        }
    }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}

extension JournaledStorage: Surveying {
    public var dispensableKeys: Set<String> { settings.keepsUnsaved ? ["path"] : [] }

    public func survey(_ warn: (ConfigurationError) -> Void) throws(ConfigurationError) {
        if let stranger = files.stranger() { throw ConfigurationError(stranger.description, key: "path") }
        let path = settings.path
        if path.hasPrefix("/var/lib/xenstored/tdb") {
            warn(
                ConfigurationError(
                    "'\(path)' is removed before each start by older units of Xen and by NixOS' "
                        + "(rm -f /var/lib/xenstored/tdb*), if one of them is in use", key: "path"))
        }
        if settings.syncs || settings.outlivesBoot, files.isInMemory {
            let key = settings.syncs ? "sync: commit" : "outlives-boot: true"
            warn(
                ConfigurationError(
                    "'\(path)' is on a file system in memory, of which a power cut leaves nothing: "
                        + "'\(key)' needs a disk, such as /var/lib/sxenstored/\(Table.name)", key: "path"))
        }
    }
}
