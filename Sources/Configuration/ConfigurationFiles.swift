// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// A file that the daemon makes.
struct ConfiguredFile {
    var path: String
    /// The key with its blocks, and the place of its value.
    var key: String
    var place: ConfigurationPlace?
    var isDispensable: Bool

    /// The key, and the line of its value if the value stands in a file.
    var shown: String { key + (place.map { $0.line > 0 ? " in line \($0.line)" : "" } ?? "") }

    func error(_ problem: String) -> ConfigurationError { ConfigurationError(problem, key: key, at: place) }
}

extension EffectiveConfiguration {
    /// All files that the daemon makes, in the order of the sections.
    var files: [ConfiguredFile] {
        let blocks = [(daemon, Self.daemonKeys)] + choices.map { ($0.block, $0.keys) }
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
    /// Two keys cannot name the same file, and a file cannot be the folder of another one.
    mutating func refuseSharedFiles(_ files: [ConfiguredFile]) {
        for (index, file) in files.enumerated() {
            let path = file.path.withoutDetours
            for other in files[..<index] {
                let others = other.path.withoutDetours
                if path == others {
                    errors.append(file.error("is also the file of \(other.shown); each key needs its own file"))
                } else if path.hasPrefix("\(others)/") {
                    errors.append(file.error("is below \(quoted(other.path)), which is the file of \(other.shown)"))
                } else if others.hasPrefix("\(path)/") {
                    errors.append(other.error("is below \(quoted(file.path)), which is the file of \(file.shown)"))
                }
            }
        }
    }
}

extension String {
    /// The path without `//` and `/./`.
    fileprivate var withoutDetours: String {
        "/" + split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }
}

extension ConfiguredFile {
    /// Returns the reason why the daemon cannot make the file; nil if it probably can. It changes nothing.
    ///
    /// If only this user lacks the rights, that goes to `warn`, since the daemon may run as another user.
    func problem(_ warn: (ConfigurationError) -> Void) -> ConfigurationError? {
        var status = stat()
        if let link = deadLink { return error("\(quoted(link)) is a link to a file that does not exist") }
        if stat(path, &status) == 0 {
            if status.st_mode & S_IFMT == S_IFDIR { return error("\(quoted(path)) is a folder; name a file in it") }
            // The plugin itself checks a file that exists.
            let isOdd = lstat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
            return isOdd && key == "daemon.pid-file"
                ? error("\(quoted(path)) is not a regular file; remove it or name another") : nil
        }
        let failure = errno
        guard failure == ENOENT else { return error("\(quoted(path)) cannot be made: \(reason(failure))") }
        let ancestor = nearestAncestor
        var fileSystem = statfs()
        if statfs(ancestor, &fileSystem) == 0, Self.shownByKernel.contains(Int(fileSystem.f_type)) {
            return error("\(quoted(path)) cannot be made: \(ancestor) holds only files of the kernel")
        }
        if access(ancestor, W_OK) == 0 { return nil }
        let refusal = error("\(quoted(path)) cannot be made in \(ancestor): \(reason(errno))")
        if errno == EROFS { return refusal }
        warn(refusal)
        return nil
    }

    /// A dead link, which is the path itself or a part of it. The daemon does not make the missing target.
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

    /// The path without links. Folders that do not exist stay as they are.
    var resolvedPath: String {
        let ancestor = nearestAncestor
        guard let resolved = realpath(ancestor, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved) + path.dropFirst(ancestor == "/" ? 0 : ancestor.count)
    }

    /// proc and sysfs.
    private static let shownByKernel = [0x9fa0, 0x6265_6572]

    /// The nearest folder above the file that exists.
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
