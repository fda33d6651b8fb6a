"""AS3L's pipeline (Wen et al., Sec. 4): from unlabelled images to what training starts from.

`pretrain/` makes features, `select/` chooses the images to label, `propagate/` spreads their labels, each a
stage that talks to the next through files; `clustering/` is what they share. `workflow.py` runs the stages a
run needs, skipping what is there; `driver.py` puts them before `train`, `usb_hook.py` before USB's own loop;
`given_labels.py` reads what a person filled in.
"""
