"""A webcam's pictures: where they are, and how viewers get them."""
