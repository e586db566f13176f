// SPDX-License-Identifier: Apache-2.0
import Foundation
import TLSView
import Testing
import XenStorePlugin
import XenStoreTestKit

/// It does what every transport must do, with openssl as its client. The rest is tested by test.py, in a daemon that
/// runs.
@Suite struct ConformanceTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tls-view-\(getpid())").path

    /// An authority, and a certificate of it that both sides use.
    private func makeCertificates() throws {
        let script = """
            mkdir -p '\(folder)' && cd '\(folder)' && umask 077
            new() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout $1.key \\
                -out $1.pem -subj /CN=$1 "${@:2}"; }
            new ca && new both -CA ca.pem -CAkey ca.key -addext subjectAltName=IP:127.0.0.1
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", script]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    /// A port that nobody uses now.
    private func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, size) == 0 && getsockname(descriptor, address, &size) == 0
            }
        }
        try #require(result)
        return Int(UInt16(bigEndian: address.sin_port))
    }

    @Test func passesWhatEveryTransportMustPass() throws {
        try makeCertificates()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let port = try freePort()
        let key = try [UInt8](Data(contentsOf: URL(fileURLWithPath: "\(folder)/both.key")))
        let block = ConfigurationBlock(defaultsOf: TLSView.keys)
            .with("port", .number(port)).with("ca", .text("\(folder)/ca.pem"))
            .with("certificate", .text("\(folder)/both.pem"))
            .with("key", .secret(Secret(key, from: "\(folder)/both.key")))
        let kit = TransportConformance {
            try TLSView(block)
        } connecting: {
            try CommandClient(
                "exec openssl s_client -quiet -connect 127.0.0.1:\(port) -CAfile \(folder)/ca.pem"
                    + " -cert \(folder)/both.pem -key \(folder)/both.key 2>/dev/null")
        }
        #expect(try kit.problems() == [])
    }
}
