"""Every metric, with its kind and a sentence. Nothing counts anything that is not declared here.

    metrics.published.add(outcome="stored")

A metric counts nothing until `enable`: see `metric_kinds`. Labels have few values, chosen by us:
never a host or a subject. Those of the fleet have places, references and registries, a bounded
number of each.

A counter is there at 0 before it counts: an alert on its increase sees the first one, too. Values
of its labels are declared where they are known (`known`), or told by who begins to work (`begin`).
"""

from imagedrift_runtime.metric_kinds import (
    DECLARED,
    Counter,
    Gauge,
    GaugeSet,
    Histogram,
    Metric,
    disable,
    enable,
)

__all__ = ["DECLARED", "Counter", "Gauge", "GaugeSet", "Histogram", "Metric", "disable", "enable"]

_SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

# --- Every service ------------------------------------------------------------------------------

build = Gauge("build_info", "Always 1; the labels say what runs.", "service", "version")
ready = Gauge("part_ready", "1 while a part of the service is ready, else 0.", "part")
loop_lag = Gauge("event_loop_lag_seconds", "How late the event loop was, the last time it looked.")

registries_version = Gauge(
    "registries_version",
    "The registries.toml that holds, as a number made of its content; 0 without one.",
)
registries_faults = Gauge(
    "registries_faults",
    "Faults in the newest registries.toml: while there are any, the one before it holds.",
)

# --- NATS ---------------------------------------------------------------------------------------

published = Counter(
    "messages_published_total",
    "Messages given to a stream: stored, already_there (asked already), failed.",
    "outcome",
    known={"outcome": ("stored", "already_there", "failed")},
)
handled = Counter(
    "messages_handled_total",
    "Messages taken from a stream, by what became of them: done, retry, reject.",
    "stream",
    "outcome",
    known={"outcome": ("done", "retry", "reject")},
)
handling = Histogram(
    "message_handling_seconds",
    "How long handling took: of one message, or of a batch.",
    "stream",
    buckets=_SHORT,
)
in_flight = Gauge("messages_in_flight", "Messages being handled now by this process.", "stream")
fetch_failures = Counter("fetch_failures_total", "Fetches from a consumer that failed.", "stream")
pending = Gauge(
    "consumer_pending_messages",
    "Messages of a consumer that were not delivered yet, for all replicas.",
    "stream",
    "consumer",
)
acknowledging = Gauge(
    "consumer_unacknowledged_messages",
    "Messages of a consumer that were delivered and not acknowledged yet, for all replicas.",
    "stream",
    "consumer",
)
reconnects = Counter(
    "nats_reconnects_total",
    "Connections to NATS made anew: reconnected (by the client), replaced (it was beyond help).",
    "how",
    known={"how": ("reconnected", "replaced")},
)

# --- Agent --------------------------------------------------------------------------------------

snapshots = Counter(
    "looks_total",
    "Snapshots of the engine: changed, unchanged, failed.",
    "outcome",
    known={"outcome": ("changed", "unchanged", "failed")},
)
snapshot_seconds = Histogram(
    "look_seconds", "How long a snapshot of the engine took.", buckets=_SHORT
)
host_images = Gauge("host_images", "Images in the newest inventory of this host.")
heartbeats = Counter(
    "signs_of_life_total",
    "Heartbeats: said, failed.",
    "outcome",
    known={"outcome": ("said", "failed")},
)

# --- Ingest -------------------------------------------------------------------------------------

inventories = Counter(
    "inventories_total",
    "Inventories offered to the database: changed, unchanged, older (than what it has).",
    "outcome",
    known={"outcome": ("changed", "unchanged", "older")},
)
heartbeats_refused = Counter(
    "heartbeats_refused_total",
    "Heartbeats that were refused, by reason.",
    "reason",
    known={"reason": ("no host", "malformed", "another host", "too many")},
)
went_back = Counter(
    "sequences_went_back_total",
    "Messages under a lower sequence than one that is stored, which are newer all the same: their "
    "stream was restored or made anew.",
    "stream",
)
read_again = Counter(
    "streams_read_again_total",
    "Times that all streams are read again, as the database lacks what was acknowledged of one.",
    "stream",
)
verdicts = Counter("verdicts_changed_total", "Verdicts of distinct local images that changed.")
questions = Counter(
    "questions_total",
    "Questions that were due: asked, already_there, failed.",
    "outcome",
    known={"outcome": ("asked", "already_there", "failed")},
)
lanes_without_consumer = Gauge(
    "lanes_without_consumer",
    "Lanes of registries.toml, and lists of lanes, without a consumer: they get no questions.",
)
lanes_unread = Gauge(
    "lanes_unread",
    "Lanes, and lists of lanes, in which questions wait and which no resolver asks for messages.",
)
images_left_out = Counter(
    "images_left_out_total",
    "Images that were not stored: refused (a field cannot be stored), over_limit (one host has too "
    "many), over_quota (one host brought too many new ones in a day).",
    "reason",
    known={"reason": ("refused", "over_limit", "over_quota")},
)
turn_done = Gauge(
    "turn_last_done_timestamp_seconds",
    "When work that one process does at a time was last done by any of them, in Unix time.",
    "turn",
)
turn_failures = Counter(
    "turn_failures_total", "Work of that kind that failed, or was not done in its time.", "turn"
)
work_period = Gauge(
    "work_period_seconds", "The pause after which work is repeated, by work.", "work"
)
work_failures = Counter(
    "work_failures_total", "Times that work which is repeated failed, by work.", "work"
)
work_done = Gauge(
    "work_last_success_timestamp_seconds",
    "When work which is repeated was last done by this process, or begun, in Unix time.",
    "work",
)
database_failures = Counter(
    "database_failures_total", "Transactions that failed and are tried again, by kind.", "kind"
)

# --- The fleet: shown by the one ingest that counts it, once a minute ---------------------------

fleet_counted = GaugeSet(
    "fleet_counted_timestamp_seconds", "When the fleet was last counted, in Unix time."
)
fleet_hosts = GaugeSet("fleet_hosts", "Hosts, by state: well, silent, degraded.", "state")
fleet_images = GaugeSet("fleet_images", "Images, each counted on each host, by verdict.", "verdict")
fleet_stale_images = GaugeSet(
    "fleet_stale_images", "Images whose last check failed, so that their verdict is from before."
)
fleet_due_images = GaugeSet(
    "fleet_due_images", "Images that are due, by cause: outdated, version.", "cause"
)
fleet_overdue_images = GaugeSet("fleet_overdue_images", "Images that are due, and overdue.")
fleet_waiting_images = GaugeSet("fleet_waiting_images", "Images within their waiting time.")
fleet_excused_images = GaugeSet("fleet_excused_images", "Images that a decision excuses.")
fleet_place_hosts = GaugeSet(
    "fleet_place_hosts", "Hosts of a place and of those inside it, down to a set level.", "place"
)
fleet_place_outdated_hosts = GaugeSet(
    "fleet_place_outdated_hosts", "Of these: hosts with at least one outdated image.", "place"
)
fleet_reference_outdated_hosts = GaugeSet(
    "fleet_reference_outdated_hosts",
    "Hosts on which a reference is outdated: the 50 references that have most.",
    "reference",
)
registry_budget = GaugeSet(
    "registry_budget_requests",
    "Requests that a registry permits in a window, by credential.",
    "registry",
    "credential",
)
registry_budget_remaining = GaugeSet(
    "registry_budget_remaining_requests", "Of these: left.", "registry", "credential"
)
database_live_rows = GaugeSet(
    "database_live_rows", "Rows of all our tables, as PostgreSQL estimates."
)
database_dead_rows = GaugeSet(
    "database_dead_rows", "Earlier versions of rows that VACUUM has not removed, by estimate."
)
database_transaction_age = GaugeSet(
    "database_transaction_age",
    "Transactions since the oldest one that VACUUM has not frozen: PostgreSQL stops at 2 billion.",
)

# --- Resolver -----------------------------------------------------------------------------------

answers = Counter(
    "answers_total",
    "Questions answered: from the cache, or by asking, with what came of it.",
    "source",
    "outcome",
)
lists = Counter(
    "tag_lists_total",
    "Lists of tags read from registries, by how they ended: whole, pages, bytes, time, failed.",
    "end",
    known={"end": ("whole", "pages", "bytes", "time", "failed")},
)
list_pages = Counter("tag_list_pages_total", "Pages of tags read from registries.")
registry_requests = Counter(
    "registry_requests_total",
    "Requests to registries, by method and status; status none: no response.",
    "method",
    "status",
)
no_responses = Counter(
    "registry_no_responses_total",
    "Requests without a response, by kind: dns, connect_timeout, read_timeout, tls, protocol, "
    "closed, forbidden. Token endpoints count, too.",
    "kind",
    known={
        "kind": ("dns", "connect_timeout", "read_timeout", "tls", "protocol", "closed", "forbidden")
    },
)
registry_seconds = Histogram(
    "registry_request_seconds", "How long a registry took to respond.", buckets=_SHORT
)
tokens = Counter(
    "registry_tokens_total",
    "Tokens asked of token endpoints: got, failed.",
    "outcome",
    known={"outcome": ("got", "failed")},
)
circuits = Counter("circuits_opened_total", "Times that a registry that failed was left alone.")
limits = Counter("registry_limits_total", "Times that a registry answered 429.")
notifications = Counter(
    "notifications_total",
    "Push notifications: taken, refused, unreadable.",
    "outcome",
    known={"outcome": ("taken", "refused", "unreadable")},
)

# --- Notifier -----------------------------------------------------------------------------------

people_messages = Counter(
    "people_messages_total",
    "Tries to send messages to people: sent, retried (it failed), failed (given up), doubtful "
    "(whether it arrived is not known), interrupted (a notifier ended while it sent one).",
    "outcome",
    known={"outcome": ("sent", "retried", "failed", "doubtful", "interrupted")},
)
route_waiting = Gauge("route_waiting_messages", "Messages that wait, by route.", "route")
route_failing = Gauge("route_failing_messages", "Of these: tried in vain, by route.", "route")
routes_faults = Gauge(
    "routes_faults",
    "Faults in the newest routes.toml: while there are any, the one before it holds.",
)
