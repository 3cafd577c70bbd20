"""Figures that anyone can measure again: make bench NAME=…; the last line printed is one JSON object."""
