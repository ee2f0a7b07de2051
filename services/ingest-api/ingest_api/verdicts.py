"""The bodies of answers about readings."""

from typing import Any

from penstock.domain.readings import Quality
from penstock.domain.time import Micros, to_iso

from ingest_api.answers import Answer, json_answer
from ingest_api.judge import Judged
from ingest_api.reasons import ADVICE

SHOWN = 20
"""Items that an answer lists: enough to see what is wrong, whatever the size of the body."""


def accepted_answer(judged: Judged, request_id: str) -> Answer:
    """Say how many items are durable and which were refused; 403 where none was allowed."""
    if not judged.refused:  # nearly always
        text = (
            f'{{"accepted":{judged.accepted},"rejected_count":0,"by_reason":{{}},"rejected":[],'
            f'"request_id":"{request_id}"}}'
        )
        return Answer(200, text.encode())
    body: dict[str, Any] = {**_summary(judged), "request_id": request_id}
    if not judged.is_forbidden:
        return json_answer(200, body)
    detail = "the gateway may name none of these tags or models: see its settings"
    return json_answer(403, {"error": "Forbidden", "detail": detail, **body})


def checked_answer(judged: Judged, formats: list[str], request_id: str) -> Answer:
    """Say how a body was understood, in our words, and what to do about what was refused."""
    block = judged.block
    quality = block.quality or [0] * len(block.tags)
    readings = [
        {
            "tag": block.tags[row],
            "at": to_iso(Micros(block.at[row])),
            "value": block.value[row],
            "quality": Quality(quality[row]).name.lower(),
        }
        for row in range(min(SHOWN, len(block.tags)))
    ]
    sequences = [
        {"sensor": one.sensor, "model": one.model, "at": to_iso(one.at), "count": len(one.data)}
        for one in judged.sequences[:SHOWN]
    ]
    advice = {item.reason: ADVICE[item.reason] for item in judged.refused}
    return json_answer(
        200,
        {
            "formats": formats,
            **_summary(judged),
            "advice": advice,
            "readings": readings,
            "sequences": sequences,
            "superseded": judged.superseded,
            "unknown_qualities": judged.unknown_qualities,
            "request_id": request_id,
        },
    )


def _summary(judged: Judged) -> dict[str, Any]:
    return {
        "accepted": judged.accepted,
        "rejected_count": len(judged.refused),
        "by_reason": judged.by_reason,
        "rejected": [
            {"index": item.index, "reason": item.reason} for item in judged.refused[:SHOWN]
        ],
    }
