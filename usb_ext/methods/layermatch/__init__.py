"""methods/layermatch."""
