"""The page on which a person labels images: `usb-ext label`.

`table.py` owns the answers and is the only one that writes them, `server.py` serves page, images and
answers, `guard.py` says to whom, `stage.py` starts and ends it, `label_studio.py` exchanges answers with
Label Studio.
"""
