from penstock.runtime.telemetry import Metrics
from penstock_local.observing.series import Series, sparkline


def test_a_counter_shows_its_rate_and_a_histogram_its_mean() -> None:
    metrics, series = Metrics("results-writer"), Series()
    metrics.count("sink_rows", 10, sink="lake", outcome="written")
    metrics.observe("sink_flush_seconds", 0.1, sink="lake")
    series.add(metrics.render().decode(), at=100)
    metrics.count("sink_rows", 30, sink="lake", outcome="written")
    metrics.observe("sink_flush_seconds", 0.3, sink="lake")
    metrics.gauge("oldest_message_seconds", 1.25, queue="lake")
    series.add(metrics.render().decode(), at=102)
    shown = {figure.metric.name: figure for figure in series.figures()}
    assert shown["sink_rows"].now == "15/s · 40 in all"
    assert shown["sink_rows"].points == (15.0,)
    assert shown["sink_rows"].labels == (("outcome", "written"), ("sink", "lake"))
    assert shown["sink_flush_seconds"].now == "200 ms mean · 2 in all"
    assert shown["oldest_message_seconds"].now == "1.25 s"
    assert [figure.metric.is_business for figure in series.figures()] == [True, True, False]


def test_a_process_that_began_anew_does_not_show_a_negative_rate() -> None:
    series = Series()
    series.add("penstock_readings_accepted_total 1000.0\n", at=0)
    series.add("penstock_readings_accepted_total 7.0\n", at=2)
    (figure,) = series.figures()
    assert figure.points == (0.0,)


def test_what_is_no_metric_is_left_out_and_what_is_kept_is_bounded() -> None:
    series = Series()
    series.add("<html>not metrics</html>", at=0)
    assert series.figures() == []
    for n in range(400):
        series.add(f"penstock_readings_accepted_total {n}.0\n", at=float(n))
    assert len(series.figures()[0].points) < 200


def test_a_line_is_drawn_from_the_right_and_within_its_height() -> None:
    assert sparkline((), width=160, height=26) == ""
    points = [pair.split(",") for pair in sparkline((0, 5, 10), width=160, height=26).split()]
    assert float(points[-1][0]) == 160
    assert [float(y) for _, y in points] == [26, 13.5, 1]
