"""Tests, benches and the demo."""
