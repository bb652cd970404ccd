"""Demo, benchmark, browser tour and soak: they use the stand-ins of the tests, and are no tests."""
