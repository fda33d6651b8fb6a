"""`python -m usb_ext`."""

from support.run import python


def test_help_of_the_module_imports_neither_torch_nor_semilearn() -> None:
    code = (
        "import runpy, sys; sys.argv = ['usb_ext', '--help']\n"
        "try: runpy.run_module('usb_ext', run_name='__main__')\n"
        "except SystemExit as stop: code = stop.code\n"
        "print('CODE', code, sorted({'torch', 'semilearn', 'numpy', 'sklearn'} & set(sys.modules)))"
    )
    done = python("-c", code)
    assert "COMMAND" in done.stdout
    assert done.stdout.splitlines()[-1] == "CODE 0 []", done.stderr
