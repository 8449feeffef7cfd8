"""`/simulator/`: the report of a run, for the person or program whose account it is."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from kernel.units import format_amount
from simulator.report import build_curve, build_report, sum_slippage, summarise_queue, write_csv
from trading.pages.entry import get_principal
from trading.pages.profile import draw_plot

FILLS_SHOWN = 200
SECOND_US = 1_000_000


@require_safe
@login_required
def report_page(request: HttpRequest) -> HttpResponse:
    report = build_report(get_principal(request).account_id)
    record = report.calibration
    context = {
        "report": report,
        "fills": report.fills[-FILLS_SHOWN:][::-1],
        "record": record,
        "plot": draw_plot(record) if record.forecasts else None,
        "slippage_micros": sum_slippage(report.fills),
        "queue": summarise_queue(report.fills),
        "curve": [
            [at_us // 1_000_000, format_amount(worth)] for at_us, worth in build_curve(report)
        ],
    }
    return render(request, "simulator/report.html", context)


@require_safe
@login_required
def report_csv(request: HttpRequest) -> HttpResponse:
    report = build_report(get_principal(request).account_id)
    return HttpResponse(
        write_csv(report),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="report.csv"'},
    )
