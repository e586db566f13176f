// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// A package of your own names sxenstored by its address and version instead of a path.
let package = Package(
    name: "tls-view",
    dependencies: [
        .package(name: "sxenstored", path: "../../.."),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    ],
    targets: [
        .target(
            name: "TLSView",
            dependencies: [
                .product(name: "XenStorePlugin", package: "sxenstored"),
                .product(name: "StreamSocket", package: "sxenstored"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
            ]),
        .executableTarget(
            name: "tls-view-daemon",
            dependencies: [
                "TLSView",
                .product(name: "SXenstored", package: "sxenstored"),
                .product(name: "XenStorePlugin", package: "sxenstored"),
            ]),
        .testTarget(
            name: "TLSViewTests",
            dependencies: [
                "TLSView",
                .product(name: "XenStoreTestKit", package: "sxenstored"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
