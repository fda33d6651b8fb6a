"""The only package that imports semilearn (USB): its names, its bridges, its workarounds.

Each workaround is named after the upstream patch that would remove it.
"""
