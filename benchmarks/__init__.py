"""What the program costs, beside what one would otherwise do; measured side by side, in one run, on this machine.

measure.py     repetitions, interleaved, and how they are told
workspaces.py  the workspaces that are measured, and doit on them
unchanged.py   nothing changed, against doit's own start
wheels.py      wheels for several platforms, against pip in the same images
memory.py      one very large wheel
tree.py        the published tree alone (`python -m benchmarks.tree`)
"""
