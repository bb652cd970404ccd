"""Real OctoPrint servers for the tests, and responses recorded from them."""
