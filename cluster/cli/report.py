"""`reeltune report`."""

from reeltune.cluster.cli import options as opt


def report(run: opt.Run, as_json: opt.Json = False) -> int:
    """Write a run's report.html, plots.html and report.md again, from its folder alone."""
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.report.write import publish_reports
    from reeltune.cluster.runs.find import find_run

    _, place = publish_reports(find_run(run))
    show.print_json({"report": place}) if as_json else print(place)
    return 0
