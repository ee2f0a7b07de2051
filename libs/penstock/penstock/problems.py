"""Every problem that Penstock has a name for: how bad it is, what it means, where to look first.

Alarms, logs and pages say these ids, and the sections of docs/operations.md are headed by them.
Standard library alone, so that anything may read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

ProblemId = Literal[
    "PS-AURORA-BUSY",
    "PS-AURORA-GONE",
    "PS-CONTEXT-STALE",
    "PS-CORRECTIONS-SHORT",
    "PS-DEAD-LETTERS",
    "PS-DELIVERY-LATE",
    "PS-DEVICES-REFUSED",
    "PS-DOOR-FAILING",
    "PS-ENDPOINT-FAILING",
    "PS-ENDPOINT-SLOW",
    "PS-FRAMES-DEAD",
    "PS-INFERENCE-BEHIND",
    "PS-QUEUE-OLD",
    "PS-READINGS-REFUSED",
    "PS-READINGS-SILENT",
    "PS-SINK-STALLED",
    "PS-TASKS-MISSING",
    "PS-TRAINING-FAILED",
    "PS-UNDELIVERED",
]
"""For the type checker, which cannot read a table; a test holds the two to each other."""

Severity = Literal["critical", "warning"]
"""`critical`: readings or predictions are late or in danger now, wake somebody. `warning`: look
within the working day.
"""

RUNBOOK = "docs/operations.md"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem; `meaning` and `first_look` are a sentence each."""

    id: ProblemId
    severity: Severity
    meaning: str
    first_look: str

    @property
    def anchor(self) -> str:
        """Where its section of the runbook begins, as a page of Markdown links it."""
        return f"#{self.id.lower()}"


PROBLEMS: tuple[Problem, ...] = (
    Problem(
        "PS-DOOR-FAILING", "critical",
        "Requests of gateways or people are answered with 5xx; gateways without a buffer of their"
        " own lose what they send meanwhile.",
        "See whose target group has the errors, then that command's log by one of the failing"
        " request ids.",
    ),
    Problem(
        "PS-TASKS-MISSING", "critical",
        "Fewer tasks of a command run than the deployment asks for as the least, so what is left"
        " carries all of its work.",
        "Read the events of the ECS service and the reason for which its last tasks stopped.",
    ),
    Problem(
        "PS-QUEUE-OLD", "critical",
        "A message has waited for longer than the alarm allows; queues forget a message after 14"
        " days, and then it is lost.",
        "See whether the queue's consumer runs and what its readiness says, then whether it is"
        " slow or waits for something.",
    ),
    Problem(
        "PS-UNDELIVERED", "critical",
        "A topic could not copy messages to one of its queues, so that subscriber misses them"
        " while the others have them.",
        "Compare the policy of the queue, and that of the key, with what the stack says: a"
        " subscription fails when either no longer lets the topic in.",
    ),
    Problem(
        "PS-DEAD-LETTERS", "warning",
        "Messages were given up and wait in a dead-letter queue for somebody to look at them.",
        "Read the reason that stands in the message's attributes, or the log of the consumer if"
        " there is none: then the message killed its process.",
    ),
    Problem(
        "PS-READINGS-SILENT", "critical",
        "No reading was accepted from any gateway for longer than the alarm allows.",
        "See whether requests arrive at all: if they do, gateways are refused; if not, the way to"
        " the load balancer or the plants themselves are down.",
    ),
    Problem(
        "PS-READINGS-REFUSED", "warning",
        "An unusual share of readings is refused and goes to quarantine with its reason.",
        "List the quarantine by gateway and reason: one gateway with a new shape or a wrong clock"
        " is the usual cause.",
    ),
    Problem(
        "PS-INFERENCE-BEHIND", "critical",
        "Live readings wait longer for the worker than they should, so every prediction is late.",
        "See whether an endpoint answers slowly or throttles, and whether the worker has as many"
        " tasks as it may have.",
    ),
    Problem(
        "PS-CONTEXT-STALE", "warning",
        "The worker cannot read assets, bindings and models anew and works with what it read last.",
        "See whether Aurora answers; a change of a binding takes effect only after this ends.",
    ),
    Problem(
        "PS-CORRECTIONS-SHORT", "warning",
        "The archive is so far behind that an asset has more packs outside it than its state can"
        " name, so a correction may be computed without the oldest of them.",
        "See why queue archive is not drained: once it is, corrections see every pack again, and"
        " those made meanwhile stay as they are.",
    ),
    Problem(
        "PS-ENDPOINT-FAILING", "critical",
        "An endpoint does not answer and its frames wait in queue deferred; after a day they are"
        " given up.",
        "See what the endpoint says of itself and of its last update, then the log of the model's"
        " container.",
    ),
    Problem(
        "PS-ENDPOINT-SLOW", "warning",
        "An endpoint answers more slowly than the deployment allows.",
        "Compare its calls per minute with those of yesterday: more calls want more instances, the"
        " same calls want a look at the model version that came last.",
    ),
    Problem(
        "PS-FRAMES-DEAD", "warning",
        "Finished frames were given up and will have no prediction: the model refuses them, or"
        " their endpoint was away for too long.",
        "See which endpoint it is, and whether its model expects other features than the binding"
        " makes.",
    ),
    Problem(
        "PS-SINK-STALLED", "critical",
        "A sink does not answer or is behind; what it has to write is safe in its queue, and no"
        " other sink is held up.",
        "See whether the place behind the sink is up and lets us in, then what the writer's log"
        " says of its last write.",
    ),
    Problem(
        "PS-AURORA-GONE", "critical",
        "Aurora's writer shows no sign of life; predictions wait in their queue, people cannot"
        " change anything.",
        "Read the events of the cluster: a failover ends by itself within minutes.",
    ),
    Problem(
        "PS-AURORA-BUSY", "warning",
        "Aurora has used nearly all the capacity that it may have for a while.",
        "Find the statements with the most load in Performance Insights, then raise most_units if"
        " they are ours and needed.",
    ),
    Problem(
        "PS-TRAINING-FAILED", "warning",
        "The state machine of a training job failed, timed out or was ended from outside.",
        "Ask for the job and its events: the step that failed says why in one sentence.",
    ),
    Problem(
        "PS-DELIVERY-LATE", "warning",
        "Firehose has not delivered to the lake for longer than it should; it keeps what it holds"
        " for a day.",
        "Look at the prefix for errors in the bucket, then whether the role of the stream may"
        " still use the key and the table.",
    ),
    Problem(
        "PS-DEVICES-REFUSED", "warning",
        "Messages of devices came through MQTT and ingest-api did not take them; the lake has them"
        " as they came.",
        "Send one of the bodies in the queue to /v1/readings/check with the key of the devices'"
        " gateway and read the verdict.",
    ),
)  # fmt: skip

BY_ID: Mapping[ProblemId, Problem] = MappingProxyType({one.id: one for one in PROBLEMS})
