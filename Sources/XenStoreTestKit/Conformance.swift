// SPDX-License-Identifier: Apache-2.0

// Authors of plugins import the kit alone. The daemon itself uses the part that needs no framework for tests
// (`--try-plugin`), so it is a module of its own.
@_exported import PluginConformance
