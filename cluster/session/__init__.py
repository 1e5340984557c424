"""One Ray for one command: started here, or a running cluster that is joined.

- `session.py`: starts or joins Ray, and ends it
- `address.py`: `--address`: what it may be, and what is there
- `ray_private.py`: everything private of Ray itself that we use, with the reason for each
- `ray_private_address.py`: what of Ray is private and tells what is at an address
- `ray_private_state.py`: what of Ray is private and tells who is in a cluster, and who holds its CPUs
- `ray_private_libraries.py`: the same of Ray Tune and Ray Train, which take seconds to load
- `ray_private_serve.py`: the same of Ray Serve, which is an extra
- `short_folder.py`: a short temporary folder for Ray, where the usual one is too long
- `watchdog.py`: ends a command whose cluster is gone
- `guard.py`: ends a fit in this process in time, and says so if it is killed
- `deaths.py`: why a process of Ray's has died, in words
- `news.py`: says what happens to a cluster while a command works there
- `interrupt.py`: Ctrl-C and SIGTERM end a command cleanly
- `as_before.py`: leaves a program's process as it was: variables, signals, loggers
- `resources.py`: what a cluster has, and what it may grow to
- `inventory.py`: asks Ray for that
- `slots.py`: how many trials or fits run at once
- `garbage.py`: how often a process looks for garbage
- `worker_start.py`: what Ray's worker processes import first
- `machine.py`: the CPUs and memory of this machine
- `container.py`: what a container leaves of them
- `ways_in.py`: the ways into a cluster, in words
"""
