/// Everything here runs the real `aro` in processes of its own, over real UDP on the loopback
/// interface, one test after the other: beside each other they would only slow each other down.

import Testing

@Suite("Real processes", .serialized)
enum Processes {}
