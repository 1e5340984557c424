"""A web service out of a model bundle: `reeltune serve`. It needs the extra `serve`, and no Ray.

From the top down:

- `server.py`: listens, answers until a signal, drains
- `greeting.py`: the first lines of a service
- `app.py`: the endpoints, and each error as one sentence
- `guard.py`: who may ask, and how much at once
- `metrics.py`: what Prometheus reads
- `batching.py`: gathers requests that wait into one call of the model
- `holder.py`: the model in use, and a newer bundle in its place
- `answers.py`: what a loaded model answers to each kind of request
- `schemas.py`: the bodies of requests and answers, with their bounds
- `options.py`: what the service is started with
"""
