// Tests of AROPrimitives.
