"""Mutation check: whether the tests of the most important files notice small changes of the code."""
