// Tests of ARORuntime.
