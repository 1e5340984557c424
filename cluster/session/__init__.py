"""One Ray for one command: started here, or a running cluster that is joined.

- `session.py`: starts or joins Ray, and ends it
- `ray_private.py`: everything private of Ray itself that we use, with the reason for each
- `ray_private_libraries.py`: the same of Ray Tune and Ray Train, which take seconds to load
- `short_folder.py`: a short temporary folder for Ray, where the usual one is too long
- `watchdog.py`: ends a command whose cluster is gone
- `interrupt.py`: Ctrl-C and SIGTERM end a command cleanly
- `resources.py`: what a cluster has, and what it may grow to
- `slots.py`: how many trials or fits run at once
- `machine.py`: the CPUs and memory of this machine
- `auth.py`: Ray's token, in words
"""
