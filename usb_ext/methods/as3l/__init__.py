"""methods/as3l."""
