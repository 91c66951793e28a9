// Tests of AROOverlay.
