"""Imports semilearn through the bridges; modules that need its names import this one first."""

from usb_ext.upstream.loading import load_semilearn

semilearn = load_semilearn()
