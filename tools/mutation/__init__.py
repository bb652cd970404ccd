"""Mutation check: whether the tests of the most important files detect small changes of the code."""
