"""Crash-safe storage of recordings: whatever ends the program, every stored view is still there."""
