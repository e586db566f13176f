// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// A packager chooses by traits what is compiled in. Without a trait the build does not need the trait's C library.
//   swift build -c release --disable-default-traits                      sockets and memory only
//   swift build -c release --disable-default-traits --traits TDB         and the store in a file
let package = Package(
    name: "sxenstored",
    products: [
        .executable(name: "sxenstored", targets: ["sxenstored"]),
        .executable(name: "xenstore", targets: ["xenstore"]),
        .library(name: "SXenstored", targets: ["SXenstored"]),
        .library(name: "XenStorePlugin", targets: ["XenStorePlugin", "XenStoreWire"]),
        .library(name: "StreamSocket", targets: ["StreamSocket"]),
        .library(name: "JournaledStorage", targets: ["JournaledStorage"]),
        .library(name: "XenStoreClient", targets: ["XenStoreClient"]),
        .library(name: "XenStoreTestKit", targets: ["XenStoreTestKit"]),
    ],
    traits: [
        .trait(name: "TDB", description: "Keeps the store in one TDB file (needs libtdb)."),
        .trait(name: "EventChannelRing", description: "Serves rings of guests and of dom0's kernel (loads libxen)."),
        .default(enabledTraits: ["TDB", "EventChannelRing"]),
    ],
    targets: [
        // The protocol, what a plugin is, and the kernel that serves: no system calls, no files, no clock.
        .target(name: "XenStoreWire"),
        .target(name: "XenStorePlugin", dependencies: ["XenStoreWire"]),
        .target(name: "XenStoreKernel", dependencies: ["XenStorePlugin", "XenStoreWire"]),
        .target(name: "XenStoreEngine", dependencies: ["XenStoreKernel", "XenStorePlugin"]),

        // Command lines of the daemon and of the tools, and the known word that is most like an unknown one.
        .target(name: "Spelling"),
        .target(name: "CommandLineOptions", dependencies: ["Spelling"]),

        // The house around the kernel.
        .target(name: "CLinux"),
        .systemLibrary(name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CTDB", providers: [.apt(["libtdb-dev"])]),
        .target(name: "Reactor", dependencies: ["XenStorePlugin", "CLinux"]),
        .target(name: "Configuration", dependencies: ["XenStorePlugin", "Spelling", "CLinux", "CYaml"]),
        .target(
            name: "StreamSocket",
            dependencies: ["XenStorePlugin", "CLinux"]),

        // Threads beside the daemon's own: one writes the log, one folds journals.
        .target(name: "Threads"),

        // A journal for any table: the code that storages in a file share.
        .target(name: "JournaledStorage", dependencies: ["XenStorePlugin", "XenStoreWire", "Threads", "CLinux"]),

        // Xen's libraries, which the daemon loads when it runs. The build needs none of their headers. Sources/XenGlue has
        // the glue for one version of Xen: `make xen-glue`.
        .target(name: "CXen"),
        .target(name: "XenDomains", dependencies: ["XenStorePlugin", "XenStoreWire", "CXen"]),

        // Plugins, one target for each folder. SwiftPM looks for its own command plugins in Plugins/ by default, so
        // every path is spelled out.
        .target(
            name: "UnixSocket", dependencies: ["XenStorePlugin", "StreamSocket"],
            path: "Plugins/Transports/UnixSocket", exclude: ["README.md"]),
        .target(
            name: "ReadOnlySocket", dependencies: ["XenStorePlugin", "StreamSocket"],
            path: "Plugins/Transports/ReadOnlySocket", exclude: ["README.md"]),
        .target(
            name: "EventChannelRing",
            dependencies: [
                "XenStorePlugin", "XenStoreWire", "XenDomains", "CLinux", "CXen",
            ],
            path: "Plugins/Transports/EventChannelRing", exclude: ["README.md"]),
        .target(
            name: "MemoryStorage", dependencies: ["XenStorePlugin"],
            path: "Plugins/Storage/Memory", exclude: ["README.md"]),
        .target(
            name: "TDBStorage",
            dependencies: ["XenStorePlugin", "JournaledStorage", "CLinux", "CTDB"],
            path: "Plugins/Storage/TDB", exclude: ["README.md"]),
        .target(
            name: "PermissionsPolicy", dependencies: ["XenStorePlugin"],
            path: "Plugins/Policies/Permissions", exclude: ["README.md"]),
        .target(
            name: "QuotasPolicy", dependencies: ["XenStorePlugin"],
            path: "Plugins/Policies/Quotas", exclude: ["README.md"]),

        // Plugins that are shared objects. CPlugin is their interface, a header that is installed.
        .target(name: "CPlugin"),
        .target(
            name: "SharedObjects",
            dependencies: ["XenStorePlugin", "XenStoreWire", "Configuration", "CPlugin", "CLinux"]),

        // Clients.
        .target(name: "XenStoreClient", dependencies: ["XenStoreWire"]),
        .executableTarget(name: "xenstore", dependencies: ["XenStoreClient", "CommandLineOptions"]),

        // The daemon. An executable with plugins of its own needs the library only.
        .target(
            name: "SXenstored",
            dependencies: [
                "XenStorePlugin", "XenStoreEngine", "Reactor", "CommandLineOptions", "Configuration", "Threads",
                "SharedObjects", "PluginConformance", "CLinux",
                "UnixSocket", "ReadOnlySocket", "MemoryStorage", "PermissionsPolicy", "QuotasPolicy",
                .target(name: "EventChannelRing", condition: .when(traits: ["EventChannelRing"])),
                .target(name: "TDBStorage", condition: .when(traits: ["TDB"])),
            ]),
        .executableTarget(name: "sxenstored", dependencies: ["SXenstored"]),

        // What every plugin of a kind must do. The daemon tries shared objects out with it.
        .target(
            name: "PluginConformance",
            dependencies: ["XenStorePlugin", "XenStoreEngine", "XenStoreWire", "MemoryStorage", "CLinux"]),
        // Authors of plugins test with it.
        .target(
            name: "XenStoreTestKit",
            dependencies: [
                "PluginConformance",
                "XenStorePlugin", "XenStoreEngine", "XenStoreWire", "MemoryStorage", "PermissionsPolicy",
                "QuotasPolicy",
            ]),

        // The common code of tests that start the daemon. It is optimised, and so is the crash test: clients that keep
        // the daemon busy need more of the machine than the daemon.
        .target(
            name: "TestSupport", dependencies: ["CLinux"], path: "Tests/Support",
            swiftSettings: [.unsafeFlags(["-O"], .when(configuration: .debug))]),
        // Black box: the built daemon, bytes in and bytes out over its sockets.
        .testTarget(
            name: "Conformance", dependencies: ["TestSupport", "sxenstored"], exclude: ["Resources"]),

        // A daemon with a plugin of its own, compiled as another package would do it: with what is public.
        .executableTarget(
            name: "own-daemon", dependencies: ["SXenstored", "StreamSocket", "XenStorePlugin", "XenStoreWire"],
            path: "Tests/OwnDaemon", packageAccess: false),
        .testTarget(name: "OwnDaemonTests", dependencies: ["own-daemon", "TestSupport"]),

        // Plugins that are shared objects, right and wrong ones, in the built daemon. The tests compile them.
        .testTarget(
            name: "SharedObjectsTests",
            dependencies: ["SharedObjects", "XenStorePlugin", "XenStoreTestKit", "TestSupport", "sxenstored"],
            exclude: ["Plugins"]),

        // The ring's own code in the built daemon, on a simulated Xen. The tests build the simulation in Tests/FakeXen
        // themselves, as they load it below the daemon.
        .testTarget(name: "EventChannelRingTests", dependencies: ["EventChannelRing", "TestSupport", "sxenstored"]),

        .testTarget(
            name: "CommandLineOptionsTests",
            dependencies: ["CommandLineOptions", "SXenstored", "TestSupport", "sxenstored", "xenstore"]),
        .testTarget(name: "ReactorTests", dependencies: ["Reactor", "CLinux"]),
        .testTarget(
            name: "StreamSocketTests",
            dependencies: [
                "StreamSocket", "Reactor", "CLinux", "TestSupport", "XenStoreEngine", "XenStorePlugin",
                "XenStoreTestKit", "XenStoreWire", "UnixSocket", "ReadOnlySocket", "PermissionsPolicy", "QuotasPolicy",
            ]),
        .testTarget(
            name: "ServiceTests",
            dependencies: ["sxenstored", "SXenstored", "CLinux", "TestSupport", "XenStoreTestKit"]),
        .testTarget(
            name: "ConfigurationTests",
            dependencies: ["Configuration", "Spelling", "XenStorePlugin", "SXenstored", "TestSupport", "sxenstored"],
            exclude: ["Golden"]),
        // The form of the tree itself, and its manual pages against the daemon.
        .testTarget(name: "TidyTests", dependencies: ["Configuration", "XenStorePlugin", "SXenstored", "sxenstored"]),
        .testTarget(name: "XenStoreWireTests", dependencies: ["XenStoreWire"]),
        // As an author outside of this package tests a plugin, with what is public.
        .testTarget(
            name: "XenStorePluginTests", dependencies: ["XenStorePlugin", "XenStoreWire", "XenStoreTestKit"],
            packageAccess: false),
        .testTarget(
            name: "XenStoreKernelTests",
            dependencies: [
                "XenStoreKernel", "XenStoreEngine", "XenStorePlugin", "XenStoreWire", "XenStoreTestKit", "TestSupport",
                "MemoryStorage", "PermissionsPolicy", "QuotasPolicy",
            ]),
        // The journal with another table, the smallest that there can be, written with what is public.
        .testTarget(
            name: "JournaledStorageTests",
            dependencies: ["JournaledStorage", "XenStorePlugin", "XenStoreTestKit", "TestSupport"],
            packageAccess: false),
        // The store in a file, and every fault that the file and the daemon can have.
        .testTarget(
            name: "TDBStorageTests",
            dependencies: [
                "XenStorePlugin", "XenStoreWire", "XenStoreTestKit", "JournaledStorage", "TDBStorage", "CTDB",
                "CLinux", "TestSupport", "sxenstored",
            ]),
        // Kills the daemon over and over, with clients on sockets and guests on rings: `make crash-test`.
        .testTarget(
            name: "CrashTests", dependencies: ["CLinux", "TestSupport", "sxenstored"],
            swiftSettings: [.unsafeFlags(["-O"], .when(configuration: .debug))]),
        // Tests of the clients: the library, and a comparison of the tools with Debian's.
        .testTarget(name: "XenStoreClientTests", dependencies: ["XenStoreClient", "TestSupport", "sxenstored"]),
        .testTarget(
            name: "ToolsTests", dependencies: ["TestSupport", "xenstore", "sxenstored"],
            exclude: ["Golden", "Live"]),
    ],
    swiftLanguageModes: [.v6]
)
