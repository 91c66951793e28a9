/// A figure as SVG that a paper can print: no colour carries a meaning alone (each curve has its own
/// dashes and marks, and the colours are those of Okabe and Ito, 2008, which colour-blind readers tell
/// apart), axes have units, text is text.

import Foundation

public struct Figure: Sendable {
    public struct Curve: Sendable {
        public struct Point: Sendable {
            public var x, y: Double
            /// Half the height of an interval around `y`.
            public var halfWidth: Double?

            public init(x: Double, y: Double, halfWidth: Double? = nil) {
                (self.x, self.y, self.halfWidth) = (x, y, halfWidth)
            }
        }

        public var name: String
        public var points: [Point]

        public init(_ name: String, _ points: [Point]) { (self.name, self.points) = (name, points) }
    }

    public enum Style: Sendable {
        /// Straight lines with marks and intervals.
        case marked
        /// Straight lines.
        case plain
        /// Steps, as a distribution has them.
        case steps
    }

    public var x, y: Axis
    public var style: Style
    public var curves: [Curve]

    public init(x: Axis, y: Axis, style: Style, curves: [Curve]) {
        (self.x, self.y, self.style, self.curves) = (x, y, style, curves)
        self.x.fit(curves.flatMap { $0.points.map(\.x) })
        self.y.fit(
            curves.flatMap {
                $0.points.flatMap { [$0.y - ($0.halfWidth ?? 0), $0.y + ($0.halfWidth ?? 0)] }
            })
    }

    // Points of 1/72 inch: one column of a two-column paper, at 10 points of text.
    private static let width = 360.0
    private static let left = 58.0, right = 14.0, top = 12.0, bottom = 44.0
    private static let plotHeight = 200.0
    private static let legendLine = 15.0

    private static let colours = [
        "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
    ]
    private static let dashes = ["", "6 3", "2 2", "8 3 2 3", "10 4", "4 2 1 2", "1 3"]

    private var legendHeight: Double {
        curves.count > 1 ? Double(curves.count) * Self.legendLine + 6 : 0
    }
    private var height: Double { Self.top + Self.plotHeight + Self.bottom + legendHeight }

    private func px(_ value: Double) -> Double {
        Self.left + x.place(value) * (Self.width - Self.left - Self.right)
    }
    private func py(_ value: Double) -> Double {
        Self.top + (1 - y.place(value)) * Self.plotHeight
    }

    public var svg: String {
        let (w, h) = (number(Self.width), number(height))
        var out = """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(w)pt" height="\(h)pt" \
            viewBox="0 0 \(w) \(h)" font-family="Helvetica, Arial, sans-serif" font-size="10">
            <rect width="100%" height="100%" fill="white"/>

            """
        out += axes
        for (i, curve) in curves.enumerated() { out += draw(curve, i) }
        if curves.count > 1 { out += legend }
        return out + "</svg>\n"
    }

    private var axes: String {
        let (x0, x1) = (Self.left, Self.width - Self.right)
        let (y0, y1) = (Self.top, Self.top + Self.plotHeight)
        var out = ""
        for tick in y.ticks {
            let at = py(tick.value)
            out += line(x0, at, x1, at, "#dddddd", 0.5)
            out += text(tick.text, x0 - 6, at + 3.5, "end")
        }
        for value in x.minorTicks { out += line(px(value), y1, px(value), y1 + 2, "black", 0.5) }
        for value in y.minorTicks { out += line(x0 - 2, py(value), x0, py(value), "black", 0.5) }
        for tick in x.ticks {
            out += line(px(tick.value), y1, px(tick.value), y1 + 4, "black", 0.7)
            out += text(tick.text, px(tick.value), y1 + 15, "middle")
        }
        out += line(x0, y1, x1, y1, "black", 0.7) + line(x0, y0, x0, y1, "black", 0.7)
        out += text(x.label, (x0 + x1) / 2, y1 + 32, "middle")
        let middle = number((y0 + y1) / 2)
        out +=
            "<text transform=\"translate(13 \(middle)) rotate(-90)\" text-anchor=\"middle\">"
            + "\(escaped(y.label))</text>\n"
        return out
    }

    private func draw(_ curve: Curve, _ i: Int) -> String {
        let (colour, dash) = look(i)
        let points = curve.points.filter { $0.x.isFinite && $0.y.isFinite }
        guard !points.isEmpty else { return "" }
        var path = ""
        var before: Double?
        for point in points {
            let (a, b) = (number(px(point.x)), number(py(point.y)))
            if let before, style == .steps { path += "L\(a) \(number(before)) " }
            path += "\(path.isEmpty ? "M" : "L")\(a) \(b) "
            before = py(point.y)
        }
        var out =
            "<path d=\"\(path)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"1.4\"\(dash)/>\n"
        guard style == .marked else { return out }
        for point in points { out += mark(point, i, colour) }
        return out
    }

    private func mark(_ point: Curve.Point, _ i: Int, _ colour: String) -> String {
        let (a, b) = (px(point.x), py(point.y))
        var out = ""
        if let half = point.halfWidth, half > 0 {
            let (low, high) = (py(point.y - half), py(point.y + half))
            out += line(a, low, a, high, colour, 1)
            for end in [low, high] { out += line(a - 3, end, a + 3, end, colour, 1) }
        }
        return out + shape(i, a, b, colour)
    }

    private func shape(_ i: Int, _ x: Double, _ y: Double, _ colour: String) -> String {
        let r = 3.0
        switch i % 4 {
        case 0:
            return "<circle cx=\"\(number(x))\" cy=\"\(number(y))\" r=\"3\" fill=\"\(colour)\"/>\n"
        case 1:
            return "<rect x=\"\(number(x - r))\" y=\"\(number(y - r))\" width=\"6\" height=\"6\" "
                + "fill=\"\(colour)\"/>\n"
        case 2:
            return "<path d=\"M\(number(x)) \(number(y - 4)) l4 7 h-8 z\" fill=\"\(colour)\"/>\n"
        default:
            return
                "<path d=\"M\(number(x)) \(number(y - 4)) l4 4 l-4 4 l-4 -4 z\" fill=\"\(colour)\"/>\n"
        }
    }

    private var legend: String {
        var out = ""
        for (i, curve) in curves.enumerated() {
            let at = Self.top + Self.plotHeight + Self.bottom + Double(i) * Self.legendLine
            let (colour, dash) = look(i)
            out +=
                "<path d=\"M\(number(Self.left)) \(number(at)) h28\" stroke=\"\(colour)\" "
                + "stroke-width=\"1.4\"\(dash)/>\n"
            if style == .marked { out += shape(i, Self.left + 14, at, colour) }
            out += text(curve.name, Self.left + 34, at + 3.5, "start")
        }
        return out
    }

    private func look(_ i: Int) -> (colour: String, dash: String) {
        let dash = Self.dashes[i % Self.dashes.count]
        return (
            Self.colours[i % Self.colours.count],
            dash.isEmpty ? "" : " stroke-dasharray=\"\(dash)\""
        )
    }

    private func line(
        _ x0: Double, _ y0: Double, _ x1: Double, _ y1: Double, _ colour: String, _ width: Double
    ) -> String {
        "<path d=\"M\(number(x0)) \(number(y0)) L\(number(x1)) \(number(y1))\" stroke=\"\(colour)\" "
            + "stroke-width=\"\(number(width))\"/>\n"
    }

    private func text(_ text: String, _ x: Double, _ y: Double, _ anchor: String) -> String {
        "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\">\(escaped(text))</text>\n"
    }

    private func number(_ value: Double) -> String {
        let text = String(format: "%.2f", value)
        return text.hasSuffix(".00") ? String(text.dropLast(3)) : text
    }
}
