"""What every room stands on: errors, files, a run's folder and record, device, seeds, arrays.

`errors.py` owns the exit codes, `files.py` how anything is written to disk, `folders.py` and `outputs.py`
whose folder and whose file it is, `lock.py` who works there, `runtime.py` where and from which seed a run
computes, `result.py` the record of a run, `arrays.py` array types and blocks, `tex.py` LaTeX rows.
"""
