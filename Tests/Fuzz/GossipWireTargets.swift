/// Messages of gossip: each has one encoding, and fits a datagram.

import AROPrimitives
import AROWire

enum GossipWireTargets {
    static func membership(_ bytes: [UInt8]) {
        guard let message = try? MembershipMessage(decoding: bytes.span.bytes) else { return }
        check(message.bytes == bytes, "a membership message has one form")
        check(bytes.count <= WireLimits.messageMax, "a membership message fits a datagram")
    }

    static func probes(_ bytes: [UInt8]) {
        guard let message = try? ProbeMessage(decoding: bytes.span.bytes) else { return }
        check(message.bytes == bytes, "a probe's message has one form")
        check(bytes.count <= WireLimits.messageMax, "a probe's message fits a datagram")
        let vitals: Vitals
        switch message {
        case .ping(let ping): vitals = ping.vitals
        case .ack(let ack): vitals = ack.vitals
        default: return
        }
        guard let place = vitals.coordinate else { return }
        let predicted = Coordinate.predict(from: .origin, to: place)
        check(predicted >= .zero && predicted < .hours(1), "a round trip of \(predicted)")
    }

    static func announcements(_ bytes: [UInt8]) {
        if let message = try? AnnouncementMessage(decoding: bytes.span.bytes) {
            check(message.bytes == bytes, "an announcement's message has one form")
        }
        guard let statement = try? Announcement(decoding: bytes.span.bytes) else { return }
        check(statement.bytes == bytes, "a statement has one form")
        _ = try? statement.verify(at: UnixTime(seconds: 1_800_000_000))
        _ = statement.expires
    }

    static func topics(_ bytes: [UInt8]) {
        guard let message = try? TopicMessage(decoding: bytes.span.bytes) else { return }
        check(message.bytes == bytes, "a topic's message has one form")
        check(bytes.count <= WireLimits.messageMax, "a topic's message fits a datagram")
    }
}
