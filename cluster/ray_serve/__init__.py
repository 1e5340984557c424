"""The web service on a Ray cluster: `reeltune serve --address`. It needs the extra `ray-serve`.

From the top down:

- `driver.py`: joins the cluster, stays in the foreground, and knows what to take down
- `ending.py`: serves until a signal, and takes the service down; a second signal ends that
- `application.py`: the application on Ray Serve: what is asked of it, and how far it is
- `replica.py`: a replica, with the whole application of `serving/` in it
- `shared_metrics.py`: the metrics of all replicas on one page
- `keeper.py`: an actor that hands the bundle to replicas, and passes on what they say
- `options.py`: what the cluster is asked for
"""
