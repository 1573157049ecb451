"""Tests of the checkout itself: its layers, its sizes, its lock file."""
