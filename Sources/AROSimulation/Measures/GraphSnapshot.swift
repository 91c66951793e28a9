/// The graph of active views at one moment, as tables and as GraphML (Brandes and others 2001), which
/// Gephi, igraph and NetworkX read.

import AROPrimitives

struct GraphSnapshot {
    var at: Duration
    var graph: OverlayGraph
    /// By node.
    var groups: [String]

    /// The columns of an edge list.
    var edgesCSV: String {
        var out = "source,target\n"
        for edge in graph.edges { out += "\(edge.source),\(edge.target)\n" }
        return out
    }

    var graphML: String {
        var out = """
            <?xml version="1.0" encoding="UTF-8"?>
            <graphml xmlns="http://graphml.graphdrawing.org/xmlns">
            <key id="group" for="node" attr.name="group" attr.type="string"/>
            <graph id="views" edgedefault="directed">

            """
        for node in graph.nodes {
            out +=
                "<node id=\"n\(node)\"><data key=\"group\">\(escaped(groups[node]))</data></node>\n"
        }
        for edge in graph.edges {
            out += "<edge source=\"n\(edge.source)\" target=\"n\(edge.target)\"/>\n"
        }
        return out + "</graph>\n</graphml>\n"
    }
}

/// Text for XML, between tags or in an attribute.
func escaped(_ text: String) -> String {
    var out = ""
    for character in text {
        switch character {
        case "&": out += "&amp;"
        case "<": out += "&lt;"
        case ">": out += "&gt;"
        case "\"": out += "&quot;"
        default: out.append(character)
        }
    }
    return out
}
