"""What Prometheus reads at `/metrics`. Floats here are observations, never money."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

MS_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 500, 1000)
US_BUCKETS: Final = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 1_000_000)
EDGE_BUCKETS: Final = (0.0001, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25)


class Metrics:
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        of_event, of_order = ("venue", "event_type"), ("strategy", "executor")
        self.events = Counter("adapter_events", "Messages of venues.", of_event, registry=registry)
        self.event_ms = Histogram(
            "adapter_event_latency_ms",
            "From the socket to the cache.",
            of_event,
            registry=registry,
            buckets=MS_BUCKETS,
        )
        self.resyncs = Counter(
            "adapter_resyncs", "Books that were asked for again.", ("venue",), registry=registry
        )
        self.connections = Counter(
            "adapter_connections", "Connections that were opened.", ("venue",), registry=registry
        )
        self.dropped = Counter(
            "router_dropped_events", "Events that found a full queue.", ("venue",),
            registry=registry,
        )  # fmt: skip
        self.skipped = Counter(
            "strategy_skipped_states", "States that a slow strategy did not see.", ("strategy",),
            registry=registry,
        )  # fmt: skip
        self.signals = Counter(
            "strategy_signals", "Signals, by the venue of the message that caused them.",
            ("strategy", "venue"), registry=registry,
        )  # fmt: skip
        self.edge = Histogram(
            "strategy_signal_edge",
            "Credits that a contract of a signal brings, net of fees.",
            ("strategy",),
            registry=registry,
            buckets=EDGE_BUCKETS,
        )
        self.fills = Counter("execution_fills", "Orders filled.", of_order, registry=registry)
        self.rejections = Counter(
            "execution_rejections", "Orders and signals that were not carried out.", of_order,
            registry=registry,
        )  # fmt: skip
        self.incomplete = Counter(
            "execution_incomplete", "Signals of which some legs were not filled, by what followed.",
            ("strategy", "outcome"), registry=registry,
        )  # fmt: skip
        self.signal_to_fill_us = Histogram(
            "execution_signal_to_fill_us",
            "From the signal to the last fill.",
            ("strategy",),
            registry=registry,
            buckets=US_BUCKETS,
        )
        self.e2e_us = Histogram(
            "execution_e2e_latency_us",
            "From the socket to the last fill.",
            ("strategy",),
            registry=registry,
            buckets=US_BUCKETS,
        )
        self.profit = Gauge(
            "execution_profit_credits", "Profit, realised and unrealised.", ("strategy", "kind"),
            registry=registry,
        )  # fmt: skip
        self.killed = Gauge("execution_kill_switch", "1 while no order is sent.", registry=registry)
        self.books_current = Gauge(
            "cache_books_current", "Books that are current.", ("venue",), registry=registry
        )

    def serve(self, host: str, port: int) -> None:
        start_http_server(port, host, registry=self.registry)
