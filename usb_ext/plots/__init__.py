"""Pictures that several rooms draw: curves, confusion matrices, contact sheets; by matplotlib and Pillow.

A picture of one method lies with that method; what is here takes arrays and a path, and decides nothing.
"""
