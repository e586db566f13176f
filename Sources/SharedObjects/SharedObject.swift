// SPDX-License-Identifier: Apache-2.0
import CLinux
import CPlugin
import Configuration
import Glibc
import Synchronization
import XenStorePlugin

/// A plugin in a shared object: what its file says of it, and its functions once the daemon runs.
public final class SharedObject {
    /// Why a shared object cannot be used, as a message says it after the name of the file.
    public struct Problem: Error, Equatable, CustomStringConvertible {
        public let description: String
    }

    public let kind: PluginKind
    private let note: PluginNote
    private let file: TrustedFile
    /// The functions, after the first ``load()``.
    private var table: sxp_plugin?

    /// Opens the file, and reads what it says of its plugin. Runs no code of it. `trustsAnyFolder`: an author
    /// who tries a plugin may have it in any folder.
    public init(_ path: String, trustsAnyFolder: Bool = false) throws(Problem) {
        do {
            file = try TrustedFile(path, trustsAnyFolder: trustsAnyFolder)
            let elf = try ElfFile(file)
            if elf.hasRunPath {
                throw Problem(description: "has a RUNPATH, so its libraries could come from anywhere; link it without")
            }
            guard let text = elf.descriptions.first else {
                throw Problem(description: "is no plugin: it has no description (SXP_DESCRIBE)")
            }
            if elf.descriptions.count > 1 { throw Problem(description: "describes more than one plugin") }
            let note = try PluginNote(text)
            guard let kind = note.kind else { throw Problem(description: "says no kind") }
            self.kind = kind
            self.note = note
        } catch let error as Problem {
            throw error
        } catch let error as TrustedFile.Refusal {
            throw Problem(description: error.text)
        } catch let error as ElfFile.Flaw {
            throw Problem(description: error.text)
        } catch let error as PluginNote.Mistake {
            throw Problem(description: error.text)
        } catch {
            throw Problem(description: "\(error)")
        }
    }

    /// What is known of the plugin. Only to inspect a file loads the object.
    public var description: PluginDescription {
        PluginDescription(
            name: note.name, summary: note.summary, keys: note.keys, file: file.path,
            inspector: kind == .storage ? inspect : nil)
    }

    private func inspect(_ path: String, _ purpose: InspectionPurpose) throws(StorageError) -> Inspection? {
        let functions: sxp_plugin
        do throws(Problem) { functions = try load() } catch { throw StorageError("'\(file.path)' \(error)") }
        guard let inspect = functions.inspect else { return nil }
        let found = FoundLines()
        let outcome = inspect(
            path, purpose == .repair ? 1 : 0,
            { context, line in
                guard let context, let line else { return }
                Unmanaged<FoundLines>.fromOpaque(context).takeUnretainedValue().all.append(String(cString: line))
            }, Unmanaged.passUnretained(found).toOpaque())
        return outcome < 0 ? nil : Inspection(found.all.joined(separator: "\n"), isGood: outcome > 0)
    }

    /// What a plugin says of a file.
    private final class FoundLines {
        var all: [String] = []
    }

    // MARK: Loading

    /// The functions of the plugin. The first call loads the object, by the descriptor whose file was checked.
    func load() throws(Problem) -> sxp_plugin {
        if let table { return table }
        guard let library = dlopen(Self.nextName(of: file.descriptor), RTLD_NOW | RTLD_LOCAL) else {
            throw Problem(description: "cannot be loaded: \(dlerror().map { String(cString: $0) } ?? "no reason")")
        }
        guard let symbol = dlsym(library, "sxp_plugin") else {
            throw Problem(description: "has no table of functions 'sxp_plugin' (SXP_EXPORT)")
        }
        let found = try check(UnsafeRawPointer(symbol))
        table = found
        return found
    }

    private static let loads = Atomic(1)

    /// A name of the open file that no load has had before: to a known name the loader gives what it has loaded first,
    /// although the descriptor may be of another file by now.
    private static func nextName(of descriptor: Int32) -> String {
        let slashes = loads.add(1, ordering: .relaxed).oldValue
        return "/proc/self/fd\(String(repeating: "/", count: slashes))\(descriptor)"
    }

    private func check(_ symbol: UnsafeRawPointer) throws(Problem) -> sxp_plugin {
        let needed = MemoryLayout<sxp_plugin>.size
        let held = linux_symbol_size(symbol)
        guard held >= 2 * MemoryLayout<UInt32>.size else {
            throw Problem(description: "its table of functions has \(held) bytes, and ABI \(SXP_ABI) has \(needed)")
        }
        let abi = symbol.loadUnaligned(as: UInt32.self)
        let size = Int(symbol.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        guard abi == UInt32(SXP_ABI) else {
            throw Problem(description: "its table has ABI \(abi), this daemon has \(SXP_ABI); build it again")
        }
        guard size == needed, held >= needed else {
            throw Problem(
                description:
                    "its table of functions says \(size) bytes and has \(held), and ABI \(SXP_ABI) has \(needed)")
        }
        let table = symbol.loadUnaligned(as: sxp_plugin.self)
        if let missing = table.missing(for: kind) {
            throw Problem(description: "its table has no function '\(missing)', which a \(kind.word) needs")
        }
        return table
    }
}

extension PluginKind {
    /// As the description has it.
    var word: String {
        switch self {
        case .transport: "transport"
        case .storage: "storage"
        case .policy: "policy"
        }
    }
}

extension sxp_plugin {
    /// A function that is missing, and that a plugin of this kind must have.
    fileprivate func missing(for kind: PluginKind) -> String? {
        var needed: [(String, Bool)] = [("make", make != nil), ("destroy", destroy != nil)]
        switch kind {
        case .transport:
            needed += [
                ("start", start != nil), ("stop", stop != nil), ("ready", ready != nil), ("flush", flush != nil),
                ("reading_changed", reading_changed != nil), ("close", close != nil),
            ]
        case .storage:
            needed += [
                ("load", load != nil), ("begin", begin != nil), ("change", change != nil), ("commit", commit != nil),
                ("abandon", abandon != nil),
            ]
        case .policy: break
        }
        return needed.first { !$0.1 }?.0
    }
}

extension SharedObject {
    /// Registers the plugin of this file. A `PluginLoader` of the configuration.
    public static func register(_ path: String, in registry: inout PluginRegistry) throws(PluginFileProblem) {
        try register(path, trustsAnyFolder: false, in: &registry)
    }

    /// Registers the plugin of this file. `trustsAnyFolder`: an author who tries a plugin may have it in any folder.
    public static func register(
        _ path: String, trustsAnyFolder: Bool, in registry: inout PluginRegistry
    ) throws(PluginFileProblem) {
        do throws(Problem) {
            try SharedObject(path, trustsAnyFolder: trustsAnyFolder).register(in: &registry)
        } catch {
            throw PluginFileProblem(error.description)
        }
    }

    private func register(in registry: inout PluginRegistry) throws(Problem) {
        if let other = registry.plugins(of: kind).first(where: { $0.name == description.name }) {
            let origin = other.file.map { "that of '\($0)'" } ?? "one of this daemon"
            throw Problem(description: "its plugin has the name '\(description.name)', as \(origin)")
        }
        switch kind {
        case .transport: registry.transports.append(RegisteredPlugin(description) { SharedTransport(self, $0) })
        case .storage: registry.storages.append(RegisteredPlugin(description) { SharedStorage(self, $0) })
        case .policy: registry.policies.append(RegisteredPlugin(description) { SharedPolicy(self, $0) })
        }
    }
}
