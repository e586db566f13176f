// SPDX-License-Identifier: Apache-2.0
import Configuration
import XenStoreKernel

/// Runs the daemon until it is told to end, and returns its exit status.
func run(_ configuration: EffectiveConfiguration, _ options: RunOptions) throws -> Int32 {
    _ = try configuration.makePlugins(from: .compiledIn)
    return 0
}
