"""What Prometheus reads at `/metrics`. Floats here are observations, never money."""

from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

MS_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 500, 1000)
US_BUCKETS: Final = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 1_000_000)
EDGE_BUCKETS: Final = (0.0001, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25)


class Metrics:
    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        counter = partial(Counter, registry=registry)
        gauge = partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry)
        event, strategy = ("venue", "event_type"), ("strategy",)
        order, venue = ("strategy", "executor"), ("venue",)
        # Of venues.
        self.events = counter("adapter_events", "Messages of venues.", event)
        text = "From the socket to the cache."
        self.event_ms = histogram("adapter_event_latency_ms", text, event, buckets=MS_BUCKETS)
        self.resyncs = counter("adapter_resyncs", "Books that were asked for again.", venue)
        self.connections = counter("adapter_connections", "Connections that were opened.", venue)
        self.dropped = counter("router_dropped_events", "Events that found a full queue.", venue)
        self.books_current = gauge("cache_books_current", "Books that are current.", venue)
        # Of strategies.
        text = "States that a slow strategy did not see."
        self.skipped = counter("strategy_skipped_states", text, strategy)
        text = "Signals, by the venue of the message that caused them."
        self.signals = counter("strategy_signals", text, ("strategy", "venue"))
        text = "Credits that a contract of a signal brings, net of fees."
        self.edge = histogram("strategy_signal_edge", text, strategy, buckets=EDGE_BUCKETS)
        # Of execution.
        self.fills = counter("execution_fills", "Orders filled.", order)
        text = "Orders and signals that were not carried out."
        self.rejections = counter("execution_rejections", text, order)
        text = "Signals of which some legs were not filled, by what followed."
        self.incomplete = counter("execution_incomplete", text, ("strategy", "outcome"))
        self.signal_to_fill_us = histogram(
            "execution_signal_to_fill_us", "From the signal to the last fill.", strategy,
            buckets=US_BUCKETS,
        )  # fmt: skip
        self.e2e_us = histogram(
            "execution_e2e_latency_us", "From the socket to the last fill.", strategy,
            buckets=US_BUCKETS,
        )  # fmt: skip
        text = "Profit, realised and unrealised."
        self.profit = gauge("execution_profit_credits", text, ("strategy", "kind"))
        self.killed = gauge("execution_kill_switch", "1 while no order is sent.")

    def serve(self, host: str, port: int) -> None:
        start_http_server(port, host, registry=self.registry)
