// Tests of ARONode.
