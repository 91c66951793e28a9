/// Opens a node to the commands of its owner.

extension NodeHandle {
    /// Opens the control channel in the data directory; close it before the node shuts down.
    package func openControl() async throws -> ControlServer {
        let answers = ControlAnswers(node: self)
        return try await ControlServer(
            socket: ControlSocket(dataDirectory: dataDirectory), logger: logger
        ) { command, client in
            try await answers.answer(command, client)
        }
    }
}
