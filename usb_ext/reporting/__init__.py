"""`usb-ext report`: one HTML page of a run or of a comparison, without anything from outside.

`own_data.py` finds the images of a run again, `pictures.py` puts pictures into the page, `run_page.py` and
`comparison_page.py` say what stands there, and `page.py` makes HTML of it, in which all text is escaped.
"""
