// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

let package = Package(
    name: "plugin-name",
    products: [
        // For others who build a daemon with it.
        .library(name: "PluginName", targets: ["PluginName"]),
        .executable(name: "sxenstored-plugin-name", targets: ["sxenstored-plugin-name"]),
    ],
    dependencies: [
        // A clone on this machine. Before you publish: .package(url: "...", exact: "0.1.0"). `traits: []` leaves out the
        // daemon's plugins that need C libraries.
        .package(name: "sxenstored", path: "@clone@")
    ],
    targets: [
        .target(
            name: "PluginName",
            dependencies: [
                .product(name: "SharedRoom", package: "sxenstored"),
                .product(name: "XenStorePlugin", package: "sxenstored"),
            ]),
        // A daemon with this plugin and all plugins of sxenstored.
        .executableTarget(
            name: "sxenstored-plugin-name",
            dependencies: ["PluginName", .product(name: "SXenstored", package: "sxenstored")]),
        .testTarget(
            name: "PluginNameTests",
            dependencies: ["PluginName", .product(name: "XenStoreTestKit", package: "sxenstored")]),
    ],
    swiftLanguageModes: [.v6]
)
