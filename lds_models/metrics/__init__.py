"""Measures of slots against images and ground truth. Plain numpy, one value an image; means come with intervals."""
