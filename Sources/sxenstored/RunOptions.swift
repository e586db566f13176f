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
}

/// All that a configuration is made of, kept so that it can be read again.
struct ConfigurationSource {
    /// Absolute, since the daemon leaves the folder it was started in; nil for the embedded default.
    var file: String?
    /// What the command line puts over the file, on every reading.
    var overlays: [Overlay]
    var runDirectory: String

    /// Reads the configuration anew, with the command line's values over it as at start.
    func read() throws(ConfigurationErrors) -> EffectiveConfiguration {
        let text = if let file { try ConfigurationText(file: file) } else { ConfigurationText.embedded }
        return try ConfigurationReader(registry: .compiledIn, runDirectory: runDirectory)
            .read(text, overlays: overlays)
    }
}
