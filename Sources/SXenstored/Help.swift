// SPDX-License-Identifier: Apache-2.0
import CommandLineOptions

/// What `--help` prints.
enum Help {
    private static let examples = [
        ("--check-config --config my.yaml", "reports every error in a file, and changes nothing"),
        (
            "--set log.level=debug --set policies.quotas.nodes=2000",
            "runs the configured daemon with two values changed"
        ),
        ("--set storage=memory --print-config", "shows the configuration that would run, with every key"),
        ("--plugins", "shows the plugins that a configuration may list, with all keys and defaults"),
    ]

    static func text(width: Int = HelpPage.terminalWidth) -> String {
        var page = HelpPage(width: width)
        page.paragraph("Usage: sxenstored [options]")
        page.gap()
        page.paragraph("The XenStore daemon: the tree through which a Xen host and its guests agree on devices.")
        page.gap()
        page.paragraph(
            """
            It runs the plugins that the configuration lists: transports (how clients connect), one storage (where the \
            store is kept) and policies (what clients may do). Without --config it reads /etc/xen/sxenstored.yaml. \
            Without that file it serves two sockets and keeps the store in memory. On a Xen host it also serves rings, \
            and keeps the store in a file in /run/xenstored.
            """)
        page.heading("Options")
        page.options(DaemonOption.own)
        page.heading("Examples")
        page.example("XENSTORED_RUNDIR=/tmp/xs sxenstored --no-fork", "runs a separate store, on /tmp/xs/socket")
        for (options, meaning) in examples { page.example("sxenstored \(options)", meaning) }
        page.heading("Signals")
        page.paragraph("TERM and INT end the daemon, HUP applies changed quotas and log level.", indent: 2)
        page.heading("Exit status")
        page.item("0", "done, or another daemon holds the pid file", column: 5)
        page.item("1", "failed to run", column: 5)
        page.item("2", "wrong command line or configuration", column: 5)
        compatibility(&page)
        return page.text
    }

    private static func compatibility(_ page: inout HelpPage) {
        page.heading("Options of xenstored and oxenstored, and what they mean here")
        let width = DaemonOption.equivalents.map(\.synopsis.utf8.count).max() ?? 0
        for (synopsis, ours) in DaemonOption.equivalents { page.item(synopsis, ours, column: width + 4) }
        page.paragraph("Accepted, but without effect: \(DaemonOption.ignored.joined(separator: "; ")).", indent: 2)
        page.paragraph("Refused: \(DaemonOption.refused.joined(separator: "; ")).", indent: 2)
    }
}
