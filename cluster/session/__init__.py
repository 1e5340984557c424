"""One Ray for one command: started here, or a running cluster that is joined.

- `session.py`: starts or joins Ray, and ends it
- `ray_private.py`: everything private of Ray itself that we use, with the reason for each
- `ray_private_libraries.py`: the same of Ray Tune and Ray Train, which take seconds to load
- `watchdog.py`: ends a command whose cluster is gone
- `interrupt.py`: Ctrl-C and SIGTERM end a command cleanly
- `as_before.py`: leaves a program's process as it was: variables, signals, loggers
- `resources.py`: what a cluster has, and what it may grow to
- `slots.py`: how many trials or fits run at once
- `machine.py`: the CPUs and memory of this machine
- `auth.py`: Ray's token, in words
"""
