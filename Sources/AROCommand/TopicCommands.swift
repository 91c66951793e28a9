/// `aro topic`: publish to those who subscribe to a topic, and subscribe to it.

import ARO
import ArgumentParser
import Foundation

struct TopicCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topic", abstract: "Publish to a topic, or print what others publish.",
        subcommands: [Publish.self, Subscribe.self])

    struct Publish: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "publish", abstract: "Send posts to everybody who subscribes to a topic.",
            discussion: """
                Each TEXT is a post; without any, each line of standard input is one. A post has \
                at most \(TopicLimits.payloadMax) bytes: what is larger, 'aro put' it and publish \
                its CID.
                """)

        @Argument(help: "The topic's name.") var topic: String
        @Argument(help: "The posts.") var text: [String] = []

        @OptionGroup var node: NodeOptions
        @OptionGroup var json: JSONOption

        func validate() throws {
            try Topics.check(topic)
            for text in text { try Topics.check(payload: text.utf8.count) }
        }

        func run() throws {
            if text.isEmpty {
                while let line = readLine() { try publish(line) }
            } else {
                for text in text { try publish(text) }
            }
        }

        private func publish(_ post: String) throws {
            try Topics.check(payload: post.utf8.count)
            let payload = Data(post.utf8).base64EncodedString()
            try node.ask(.topicPublish(topic: topic, payload: payload)) { message in
                guard case .event(.published(let report)) = message else { return }
                if json.isOn { return try Terminal.json(report) }
                guard report.neighbours == 0 else { return }
                Terminal.error("nobody else is in the topic yet; who is found soon will hear it\n")
            }
        }
    }

    struct Subscribe: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "subscribe",
            abstract: "Print what is published to a topic, one post a line, until interrupted.",
            discussion: """
                What was missed, because this command did not read in time or the network lost \
                it, is said on standard error, or with --json as an object with the key "missed".
                """)

        @Argument(help: "The topic's name.") var topic: String

        @Flag(help: "Print each publisher's posts in the order in which it published them.")
        var ordered = false

        @Option(help: "End after so many posts.") var limit: Int?

        @OptionGroup var node: NodeOptions
        @OptionGroup var json: JSONOption

        func validate() throws {
            try Topics.check(topic)
            guard limit.map({ $0 > 0 }) ?? true else {
                throw ValidationError("--limit is 1 or more")
            }
        }

        func run() throws {
            var left = limit ?? .max
            let command = ControlCommand.topicSubscribe(topic: topic, ordered: ordered)
            try node.askUntil(command) { message in
                guard case .event(.topic(let report)) = message else { return true }
                if let missed = report.missed, !json.isOn {
                    Terminal.error("missed \(missed) posts\n")
                } else if let unheard = report.unheard, !json.isOn {
                    Terminal.error("nobody else heard \(unheard) posts of this node\n")
                } else if json.isOn {
                    try Terminal.json(report)
                } else if report.payload != nil {
                    try Terminal.line(Terminal.plain(report.text))
                }
                if report.payload != nil { left -= 1 }
                return left > 0
            }
        }
    }
}

private enum Topics {
    static func check(_ topic: String) throws {
        guard (1...TopicLimits.nameMax).contains(topic.utf8.count) else {
            throw ValidationError("a topic's name is 1 to \(TopicLimits.nameMax) bytes")
        }
    }

    static func check(payload count: Int) throws {
        guard count <= TopicLimits.payloadMax else {
            throw ValidationError(
                "a post is at most \(TopicLimits.payloadMax) bytes, this one has \(count); "
                    + "'aro put' it and publish its CID")
        }
    }
}

extension TopicReport {
    /// The payload as text; bytes that are no UTF-8 are replaced.
    fileprivate var text: String {
        String(decoding: Data(base64Encoded: payload ?? "") ?? Data(), as: UTF8.self)
    }
}
