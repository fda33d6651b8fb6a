"""Views: how an image becomes a weak, a strong or a self-supervised view.

`recipe.py` owns which view a method is served. `usb_views.py` are USB's own pipelines, an image at a time;
`views.py` are the same on whole blocks of images: `draws.py` draws what happens to each, `plan.py` orders it,
`ops.py` and `geometry.py` do it, bit-identical to Pillow's, `transfer.py` moves it to the device.
`self_supervised.py` are the views of pre-training. Randomness is a generator that the caller owns.
"""
