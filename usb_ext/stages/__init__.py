"""Stages: what a command does. They talk to each other through files."""
