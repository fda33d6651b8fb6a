"""The command `usb-ext`: parse, call one function, return an exit code.

`main.py` holds the table of the commands, `command.py` what one is; each other file holds the arguments of
the commands of one subject. torch and semilearn are imported inside the functions that run, so that help
and argument errors answer at once.
"""
