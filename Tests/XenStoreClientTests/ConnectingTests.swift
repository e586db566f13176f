// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing
import XenStoreClient

/// Where no daemon runs, that is an error at once.
@Suite struct ConnectingTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func failure(_ paths: String...) -> ConnectionFailure? {
        do throws(XenStoreError) {
            _ = try XenStoreConnection(to: Endpoint(candidates: paths))
            return nil
        } catch .connection(let failure) {
            return failure
        } catch {
            return nil
        }
    }

    @Test func allPathsAreTriedAndReported() {
        #expect(
            failure("/none/socket", "/")
                == ConnectionFailure(
                    attempts: [
                        .init(path: "/none/socket", errno: ENOENT), .init(path: "/", errno: EISDIR),
                    ], wasOpen: false))
    }

    @Test func aFileIsNoDaemon() throws {
        try "precious".write(toFile: folder.file("file"), atomically: false, encoding: .utf8)
        #expect(failure(folder.file("file"))?.errno == ENOTSOCK)
        #expect(try String(contentsOfFile: folder.file("file"), encoding: .utf8) == "precious")
    }

    @Test func aSocketWithoutAListenerIsAnError() throws {
        let listener = try Listener(folder.file("socket"))
        #expect(failure(folder.file("socket"))?.errno == ECONNREFUSED)
        listener.listen()
        #expect(failure(folder.file("socket")) == nil)
    }

    @Test func aPathTooLongForASocketIsAnError() throws {
        let long = folder.file(String(repeating: "x", count: 150))
        try FileManager.default.createDirectory(atPath: long, withIntermediateDirectories: false)
        // A socket with such a name can only be made from within its folder.
        let link = folder.file("s")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: long)
        _ = try Listener(link + "/socket")
        #expect(failure(long + "/socket")?.errno == ENAMETOOLONG)
    }

    @Test func aDeviceIsOpenedAndSpokenTo() throws {
        let store = try XenStoreConnection(to: Endpoint(path: "/dev/null"))
        #expect {
            try store.read("/")
        } throws: { error in
            guard case .connection(let failure) = error as? XenStoreError else { return false }
            return failure.wasOpen && failure.path == "/dev/null"
        }
    }

    /// A bound socket.
    private final class Listener {
        let descriptor: Int32

        init(_ path: String) throws {
            descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            try #require(result == 0)
        }

        deinit { close(descriptor) }

        func listen() { _ = Foundation.listen(descriptor, 1) }
    }
}
