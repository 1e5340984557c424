"""`reeltune report`."""

from reeltune.cluster.cli import options as opt


def report(run: opt.Run, as_json: opt.Json = False) -> int:
    """Write a run's report.html and report.md again, from its folder alone."""
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.report.write import write_reports
    from reeltune.cluster.runs.find import find_run

    folder = find_run(run)
    page = write_reports(folder)
    folder.publish(folder.report)
    place = folder.publish(page)
    show.print_json({"report": place}) if as_json else print(place)
    return 0
