// SPDX-License-Identifier: Apache-2.0

/// What every plugin is: a name to be chosen by, the keys it understands, and a way to be made.
///
/// The configuration is checked against ``keys`` before ``init(_:)`` runs: unknown keys, wrong types
/// and numbers out of range never reach a plugin, which therefore reads typed values only. What a
/// plugin alone can judge (two keys that exclude each other) it throws as a ``ConfigurationError``.
public protocol Plugin: AnyObject {
    /// The name in the configuration file, such as `unix-socket`.
    static var name: String { get }
    /// One sentence for `--plugins`.
    static var summary: String { get }
    /// The keys of this plugin's block, with their defaults.
    static var keys: [ConfigurationKey] { get }

    /// Makes the plugin. It must not touch the system yet: `--check-config` makes plugins, too.
    init(_ configuration: ConfigurationBlock) throws(ConfigurationError)
}

/// A plugin that can say before it starts what it would be refused for, such as a path that names a folder.
public protocol Surveying: Plugin {
    /// Looks at what the plugin is to work with, and changes nothing. Throws what its start would fail
    /// with; what works, but hardly as it is meant, goes to `warn`. `--check-config` calls it, and the
    /// daemon before it starts.
    func survey(_ warn: (ConfigurationError) -> Void) throws(ConfigurationError)
    /// Keys of files without which the plugin can go on, as it is configured, beside those whose
    /// ``ConfigurationKey/isDispensable`` says so in any case. None by default.
    var dispensableKeys: Set<String> { get }
}

extension Surveying {
    public var dispensableKeys: Set<String> { [] }
}

/// A plugin that looks after what it has made outside of the daemon, such as a socket's file.
public protocol Restoring: Plugin {
    /// Makes again what somebody has removed. Called on SIGHUP, whatever the configuration has become.
    func restore()
}

/// A plugin that takes changed values while it runs (SIGHUP).
public protocol Reloadable: Plugin {
    /// Takes over what can change in a running daemon from `configuration`, which was checked as
    /// for `init`. All or nothing: what throws has changed nothing.
    func reload(_ configuration: ConfigurationBlock) throws(ConfigurationError)
}
