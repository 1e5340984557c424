"""Where and how runs happen: the command line, Ray Train and Ray Tune. Only this package imports Ray."""
