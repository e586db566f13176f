// SPDX-License-Identifier: Apache-2.0
#if TDB
    import Glibc
    import XenStoreKernel

    /// Keeps the store in one TDB file, in the layout of C xenstored.
    ///
    /// A commit adds one batch to a journal, which is one write; ``Folding`` brings it into the file a
    /// little later. So the file is never half-written, and a commit costs next to nothing.
    public final class TDB: Storage {
        public static var name: String { "tdb" }
        public static var summary: String { "The store lives in one TDB file and outlives the daemon." }
        public static var keys: [ConfigurationKey] { Settings.keys }

        private let settings: Settings
        private let files: StoreFiles
        let log: PluginLog
        private var lock: StoreLock?
        private var folding: Folding?
        private var batch = Batch()
        /// Nanoseconds that the last commit took.
        private var commitTime: UInt64 = 0
        /// The boot of the host that the content belongs to.
        var boot: () -> String = TDB.bootOfThisHost

        public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
            settings = Settings(configuration)
            files = StoreFiles(table: settings.path)
            log = configuration.log
        }

        deinit { abandon() }

        public var wantsBatches: Bool { true }

        public func load(into loader: StateLoader) throws(StorageError) {
            // A file that may grow no further is an error like others.
            signal(SIGXFSZ, SIG_IGN)
            if let stranger = files.stranger() { throw StorageError(stranger) }
            try files.makeFolder()
            lock = try StoreLock(files)
            let (content, tree) = try openContent()
            try hand(content, tree, to: loader)
            // What survives a reboot must be whole after it, at least as it was when it was folded.
            let table = try TableFile(
                files.table, syncs: settings.syncs || settings.outlivesBoot, isSuspect: content.isAltered)
            let folding = Folding(table, files, content, syncs: settings.syncs, log: log)
            try folding.start()
            self.folding = folding
        }

        public func commit(_ changes: borrowing ChangeBatch) throws(StorageError) {
            guard let folding else { throw StorageError("'\(files.table)' is not open") }
            try batch.take(changes)
            let needsSync = settings.syncs && !changes.endsWithBoot
            let begin = needsSync ? Self.now() : 0
            try folding.append(&batch, sizeMax: settings.sizeMax, needsSync: needsSync)
            if needsSync { commitTime = Self.now() &- begin }
        }

        /// A sync lasts as long as dozens of requests. Half as long is well spent on having more of them
        /// in it; a slow disk makes nobody wait noticeably longer.
        public var patience: UInt64 { settings.syncs ? min(commitTime / 2, 1_000_000) : 0 }

        public var load: Int { folding?.load ?? 0 }

        public func close() {
            folding?.stop()
            folding = nil
            lock = nil
        }

        /// Leaves everything as a daemon does that is killed.
        func abandon() {
            folding?.stop(orderly: false)
            folding = nil
            lock = nil
        }

        // MARK: Loading

        /// What is stored. A file that is not this boot's store is set aside, and a new one made.
        private func openContent() throws(StorageError) -> (StoreContent, StoreTree) {
            guard access(files.table, F_OK) == 0 else {
                if errno != ENOENT { throw .system("look at", files.table) }
                if files.journals.allSatisfy({ access($0, F_OK) != 0 }) { return try makeTable() }
                return try startAnew(.error, "is gone, and its journals alone are not enough")
            }
            do throws(TableProblem) {
                let content = try StoreContent(files)
                if let problem = content.foreignness { throw problem }
                if content.boot != boot(), !settings.outlivesBoot { throw .outdated }
                let tree = StoreTree(of: content)
                if let problem = tree.problems.first {
                    throw .damaged("\(tree.problems.count) problems, the first of them: \(problem)")
                }
                if content.isInterrupted { log.notice("a transaction that was interrupted has been taken back") }
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
            let name = try files.setAside() ?? ""
            let hint = advice.map { "; \($0)" } ?? ""
            log.write(level, "'\(files.table)' \(reason); it is '\(name)' now, and the store is empty\(hint)")
            do throws(StorageError) {
                let gone = try files.removeSetAsides(keeping: settings.setAsideMax)
                for old in gone { log.notice("'\(old)' is removed: set-aside-max keeps \(settings.setAsideMax)") }
            } catch {
                log.warning("\(error); more than \(settings.setAsideMax) stores that were set aside are kept")
            }
            return try makeTable()
        }

        private func makeTable() throws(StorageError) -> (StoreContent, StoreTree) {
            try TableFile.make(files.table, settings, RecordKey.all(boot: boot(), folded: 0))
            do throws(TableProblem) {
                let content = try StoreContent(files)
                return (content, StoreTree(of: content))
            } catch {
                throw StorageError("can't read '\(files.table)' back: \(error)")
            }
        }

        private func hand(_ content: StoreContent, _ tree: StoreTree, to loader: StateLoader) throws(StorageError) {
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

        static func bootOfThisHost() -> String {
            let text = (try? WholeFile.readText("/proc/sys/kernel/random/boot_id")) ?? ""
            return String(text.prefix { !$0.isWhitespace })
        }
    }

    extension TDB: Surveying {
        public func survey(_ warn: (ConfigurationError) -> Void) throws(ConfigurationError) {
            if let stranger = files.stranger() { throw ConfigurationError(stranger.description, key: "path") }
        }
    }
#endif
