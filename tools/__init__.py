"""Demo, benchmark, browser tour and soak: programs that use the stand-in services of the tests."""
