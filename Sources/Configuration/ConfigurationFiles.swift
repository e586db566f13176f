// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStoreKernel

/// A file that the daemon is to make.
struct ConfiguredFile {
    var path: String
    /// The key with the blocks it stands in, and where its value stands.
    var key: String
    var place: ConfigurationPlace?
    var isDispensable: Bool

    func error(_ problem: String) -> ConfigurationError { ConfigurationError(problem, key: key, at: place) }
}

extension EffectiveConfiguration {
    /// All files that the daemon makes, in the order of the sections.
    var files: [ConfiguredFile] {
        let blocks =
            [(daemon, Self.daemonKeys)] + (transports + [storage] + policies).map { ($0.block, $0.keys) }
        return blocks.flatMap { block, keys in
            keys.compactMap { key in
                guard key.kind == .path, let path = block.text(key.name) else { return nil }
                return ConfiguredFile(
                    path: path, key: dotted(block.path, key.name), place: block.places[key.name] ?? block.place,
                    isDispensable: key.isDispensable)
            }
        }
    }
}

extension ConfigurationCheck {
    /// One file cannot be two things, nor can it be the folder of another.
    mutating func refuseSharedFiles(_ files: [ConfiguredFile]) {
        for (index, file) in files.enumerated() {
            let path = file.path.withoutDetours
            for other in files[..<index] {
                let others = other.path.withoutDetours
                if path == others {
                    errors.append(file.error("is the file of \(other.key), too; each needs its own"))
                } else if path.hasPrefix("\(others)/") {
                    errors.append(file.error("is below \(quoted(other.path)), which is the file of \(other.key)"))
                } else if others.hasPrefix("\(path)/") {
                    errors.append(other.error("is below \(quoted(file.path)), which is the file of \(file.key)"))
                }
            }
        }
    }
}

extension String {
    /// The path without what leads nowhere: `//` and `/./`.
    fileprivate var withoutDetours: String {
        "/" + split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }
}

extension ConfiguredFile {
    /// Why no file can be made there, by a look that changes nothing; nil if one may well be.
    ///
    /// What this user may not do, another may: that only goes to `warn`.
    func problem(_ warn: (ConfigurationError) -> Void) -> ConfigurationError? {
        var status = stat()
        if let link = deadLink { return error("\(quoted(link)) is a link to what is not there") }
        if stat(path, &status) == 0 {
            if status.st_mode & S_IFMT == S_IFDIR { return error("\(quoted(path)) is a folder; name a file in it") }
            // What plugins make of a file is theirs to judge.
            let isOdd = lstat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
            return isOdd && key == "daemon.pid-file"
                ? error("\(quoted(path)) is not a regular file; remove it or name another") : nil
        }
        let failure = errno
        guard failure == ENOENT else { return error("\(quoted(path)) cannot be made: \(reason(failure))") }
        let ancestor = nearestAncestor
        var fileSystem = statfs()
        if statfs(ancestor, &fileSystem) == 0, Self.shownByKernel.contains(Int(fileSystem.f_type)) {
            return error("\(quoted(path)) cannot be made: \(ancestor) has what the kernel shows, and nothing else")
        }
        if access(ancestor, W_OK) == 0 { return nil }
        let refusal = error("\(quoted(path)) cannot be made in \(ancestor): \(reason(errno))")
        if errno == EROFS { return refusal }
        warn(refusal)
        return nil
    }

    /// A link on the way, or at its end, that leads nowhere: what is missing behind it is not made.
    private var deadLink: String? {
        var part = path
        var status = stat()
        while part != "/" {
            if lstat(part, &status) == 0 { return access(part, F_OK) != 0 && errno == ENOENT ? part : nil }
            part = String(part[..<(part.lastIndex(of: "/") ?? part.startIndex)])
            if part.isEmpty { return nil }
        }
        return nil
    }

    /// The path without links, as far as there is something already.
    var resolvedPath: String {
        let ancestor = nearestAncestor
        guard let resolved = realpath(ancestor, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved) + path.dropFirst(ancestor == "/" ? 0 : ancestor.count)
    }

    /// proc and sysfs.
    private static let shownByKernel = [0x9fa0, 0x6265_6572]

    /// The folder that the file would stand in, or the last one above it that is there.
    private var nearestAncestor: String {
        var folder = path[...]
        while let slash = folder.lastIndex(of: "/"), slash > folder.startIndex {
            folder = folder[..<slash]
            if access(String(folder), F_OK) == 0 { return String(folder) }
        }
        return "/"
    }

    private func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
