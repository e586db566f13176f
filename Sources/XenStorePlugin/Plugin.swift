// SPDX-License-Identifier: Apache-2.0

/// The common part of all plugins: a name, the list of keys, and an initializer.
///
/// The daemon checks the configuration against ``keys`` before it calls ``init(_:)``. A plugin never gets an unknown
/// key, a value of a wrong type or a number out of range. It throws a ``ConfigurationError`` for problems that only the
/// plugin can see, such as two keys that exclude each other.
public protocol Plugin: AnyObject {
    /// The name in the configuration file, such as `unix-socket`.
    static var name: String { get }
    /// One sentence for `--plugins`.
    static var summary: String { get }
    /// The keys of this plugin's block, with their defaults.
    static var keys: [ConfigurationKey] { get }

    /// Makes the plugin. It must not touch the system yet, since `--check-config` also makes plugins.
    init(_ configuration: ConfigurationBlock) throws(ConfigurationError)
}

/// A plugin that finds problems before it starts, such as a path that names a folder.
public protocol Surveying: Plugin {
    /// Checks the files and devices of the plugin, and changes nothing. Throws the error that the start would throw.
    /// Sends doubtful values to `warn`. The daemon calls it before it starts, and for `--check-config`.
    func survey(_ warn: (ConfigurationError) -> Void) throws(ConfigurationError)
    /// The keys of files that the plugin can do without in its present configuration, in addition to those with
    /// ``ConfigurationKey/isDispensable``. None by default.
    var dispensableKeys: Set<String> { get }
}

extension Surveying {
    public var dispensableKeys: Set<String> { [] }
}

/// A plugin that looks after something that it has made outside of the daemon, such as a socket's file.
public protocol Restoring: Plugin {
    /// Makes again what another program has removed. The daemon calls it on SIGHUP, even if the configuration has an
    /// error.
    func restore()
}

/// A plugin that does something just before the daemon runs, and not for `--check-config`: one of a shared object is
/// loaded then.
public protocol Preparable: Plugin {
    /// Makes the plugin ready to run. The daemon calls it once, before it starts, while an operator still reads its
    /// standard error. It must not open files that the daemon serves yet, nor start a thread.
    func prepare() throws(ConfigurationError)
}

/// A plugin of any kind that accepts changed values while it runs (SIGHUP).
public protocol Reloadable: Plugin {
    /// Accepts all values that can change in a running daemon. The daemon has checked `configuration` as for `init`. If
    /// this throws, nothing has changed, and the plugins that have accepted new values before get their old ones again.
    func reload(_ configuration: ConfigurationBlock) throws(ConfigurationError)
}
