// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// A package of your own names sxenstored by its address and version instead of a path.
let package = Package(
    name: "audit-trail",
    dependencies: [.package(name: "sxenstored", path: "../../..")],
    targets: [
        .target(name: "AuditTrail", dependencies: [.product(name: "XenStorePlugin", package: "sxenstored")]),
        .executableTarget(
            name: "audit-trail-daemon",
            dependencies: [
                "AuditTrail",
                .product(name: "SXenstored", package: "sxenstored"),
                .product(name: "XenStorePlugin", package: "sxenstored"),
            ]),
        .testTarget(
            name: "AuditTrailTests",
            dependencies: [
                "AuditTrail",
                .product(name: "XenStoreTestKit", package: "sxenstored"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
