// SPDX-License-Identifier: Apache-2.0
import Configuration
import XenStoreKernel

/// How the daemon is to run, apart from its configuration.
struct RunOptions {
    /// Leave the terminal and go on in the background, once clients can connect.
    var forks = true
    /// Where the process id goes; nil for nowhere. Absolute.
    var pidFile: String?
    /// Where a trace of all messages goes; nil for nowhere. Absolute.
    var traceFile: String?
    /// Say the process id on standard output (`-P`).
    var printsPid = false
    /// Where the configuration came from, for SIGHUP.
    var source: ConfigurationSource
    /// The same, in the words of a message.
    var origin = ""
}

/// All that a configuration is made of, kept so that it can be read again.
struct ConfigurationSource {
    /// The file that was named. Absolute, since the daemon leaves the folder it was started in.
    var namedFile: String?
    /// What the command line puts over the file, on every reading.
    var overlays: [Overlay]
    var runDirectory: String
    var surroundings: Surroundings

    /// The file that is read; nil for the built-in default. The standard one may come and go.
    var file: String? { namedFile ?? (surroundings.hasStandardFile() ? surroundings.standardFile : nil) }

    /// Reads the configuration anew, with the command line's values over it as at start. `origin` says in the
    /// words of a message where it comes from.
    func read() throws(ConfigurationErrors) -> (EffectiveConfiguration, origin: String) {
        let text: ConfigurationText
        let origin: String
        if let file {
            text = try ConfigurationText(file: file)
            origin = file
        } else {
            text = .builtIn(isXenHost: surroundings.isXenHost())
            origin = "\(text.name), as there is no \(surroundings.standardFile)"
        }
        let configuration = try ConfigurationReader(registry: .compiledIn, runDirectory: runDirectory)
            .read(text, overlays: overlays)
        return (configuration, origin)
    }
}
