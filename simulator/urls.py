from django.urls import path

from simulator import pages

urlpatterns = [
    path("", pages.report_page, name="simulator_report"),
    path("report.csv", pages.report_csv, name="simulator_report_csv"),
]
