// Tests of AROWire.
