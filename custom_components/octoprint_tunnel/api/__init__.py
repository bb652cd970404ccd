"""All that speaks to the outside, without Home Assistant in it."""
