// Tests of AROContent.
