// Tests of AROSimulation.
