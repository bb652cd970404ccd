"""Real OctoPrint servers for the tests, and answers that were recorded from them."""
