// Tests of AROTransport.
