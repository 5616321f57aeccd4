"""What the daemon counts, for /metrics. Names and labels are promised to dashboards; docs/OPERATIONS.md lists them.

Hot paths bind their labels once (`READ_BYTES.labels(…)` at construction) and only `inc()`. A datastore's name is a label;
a path, a key or a secret never is.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

STORE_REQUESTS = Counter(
    "mountd_store_requests",
    "Requests sent to a storage, by operation, billing class (read, write, list, other) and outcome (ok or an error code).",
    ["datastore", "operation", "billing", "outcome"],
    registry=REGISTRY,
)
STORE_BYTES = Counter(
    "mountd_store_bytes", "Body bytes moved, direction in or out.", ["datastore", "direction"], registry=REGISTRY
)
STORE_SECONDS = Histogram(
    "mountd_store_seconds",
    "Time of one request to a storage.",
    ["datastore", "operation"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
    registry=REGISTRY,
)
STORE_RETRIES = Counter("mountd_store_retries", "Requests sent again.", ["datastore", "reason"], registry=REGISTRY)
BREAKER_OPEN = Gauge("mountd_breaker_open", "1 while a datastore's breaker is open.", ["datastore"], registry=REGISTRY)
IN_FLIGHT = Gauge("mountd_store_in_flight", "Requests in flight.", ["datastore"], registry=REGISTRY)
IN_FLIGHT_LIMIT = Gauge(
    "mountd_store_in_flight_limit", "Requests that may be in flight at once.", ["datastore"], registry=REGISTRY
)

FIRST_BYTE = Gauge(
    "mountd_store_first_byte_seconds",
    "The time to a request's first byte, as read-ahead takes it: the best of late.",
    ["datastore"],
    registry=REGISTRY,
)
BANDWIDTH = Gauge(
    "mountd_store_connection_bandwidth_bytes",
    "Bytes a second of one connection, as read-ahead takes it: the best of late.",
    ["datastore"],
    registry=REGISTRY,
)

CACHE_BLOCKS = Counter(
    "mountd_cache_blocks",
    "Where a wanted block was found: memory, disk, flight or store.",
    ["found"],
    registry=REGISTRY,
)
CACHE_BYTES = Gauge("mountd_cache_bytes", "Bytes held, tier memory or disk.", ["tier"], registry=REGISTRY)
CACHE_FAILURES = Counter("mountd_cache_failures", "Cache failures answered as a miss.", ["what"], registry=REGISTRY)
PREFETCH_BYTES = Counter(
    "mountd_prefetch_bytes", "Bytes fetched ahead, outcome used or wasted.", ["datastore", "outcome"], registry=REGISTRY
)
GUESSED_FILES = Counter(
    "mountd_guessed_files",
    "Small files fetched ahead with their siblings, outcome used or wasted.",
    ["datastore", "outcome"],
    registry=REGISTRY,
)
GUESS_RATE = Gauge(
    "mountd_guess_rate",
    "The part of the last few hundred small files fetched ahead that was opened, 0 to 1.",
    ["datastore"],
    registry=REGISTRY,
)
MEMORY_BUDGET = Gauge(
    "mountd_memory_budget_bytes", "The one memory budget, state used, in_flight or limit.", ["state"], registry=REGISTRY
)

DISK_BUDGET = Gauge("mountd_disk_budget_bytes", "The disk tier, state used or limit.", ["state"], registry=REGISTRY)
RESIDENT = Gauge("mountd_resident_bytes", "Memory that the daemon's process has, all of it.", registry=REGISTRY)
THREADS = Gauge("mountd_threads", "Threads of the daemon's process.", registry=REGISTRY)

FUSE_OPERATIONS = Counter("mountd_fuse_operations", "Kernel requests.", ["operation", "outcome"], registry=REGISTRY)
BUGS = Counter("mountd_bugs", "Unexpected exceptions caught at a boundary.", ["where"], registry=REGISTRY)
INODES = Gauge("mountd_inodes", "Inodes the kernel remembers.", registry=REGISTRY)
LOG_SUPPRESSED = Counter("mountd_log_suppressed", "Log lines held back by the rate limit.", registry=REGISTRY)
