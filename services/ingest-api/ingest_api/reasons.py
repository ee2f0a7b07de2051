"""Why an item is refused: a closed list, each with what a person can do about it."""

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Stands in answers, in quarantine and as a metric's label."""

    NOT_JSON = "not_json"
    UNKNOWN_FORMAT = "unknown_format"
    UNKNOWN_SHAPE = "unknown_shape"
    NOT_AN_OBJECT = "not_an_object"
    TAG_MISSING = "tag_missing"
    TAG_MALFORMED = "tag_malformed"
    PATH_NOT_ALLOWED = "path_not_allowed"
    UNKNOWN_TAG = "unknown_tag"
    VALUE_MISSING = "value_missing"
    VALUE_TYPE = "value_type"
    NOT_FINITE = "not_finite"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"
    TEXT_TOO_LONG = "text_too_long"
    TEXT_MALFORMED = "text_malformed"
    TIME_MALFORMED = "time_malformed"
    TIME_WITHOUT_ZONE = "time_without_zone"
    TIME_TOO_OLD = "time_too_old"
    TIME_IN_FUTURE = "time_in_future"
    SENSOR_MALFORMED = "sensor_malformed"
    MODEL_MALFORMED = "model_malformed"
    MODEL_NOT_ALLOWED = "model_not_allowed"
    SEQUENCE_LENGTH = "sequence_length"


ADVICE: Mapping[Reason, str] = {
    Reason.NOT_JSON: "the body is not JSON; send JSON in UTF-8",
    Reason.UNKNOWN_FORMAT: "the body has no shape that we know; compare it with the examples",
    Reason.UNKNOWN_SHAPE: "this element of the array has no shape that we know",
    Reason.NOT_AN_OBJECT: "a reading must be a JSON object",
    Reason.TAG_MISSING: "name the tag as `tag`, `path`, `id` or `name`",
    Reason.TAG_MALFORMED: "a tag is 1 to 255 printable characters",
    Reason.PATH_NOT_ALLOWED: "allow the path in the gateway's settings, or correct the tag",
    Reason.UNKNOWN_TAG: "list the tag in the gateway's settings, or let it accept unknown tags",
    Reason.VALUE_MISSING: "give the value as `value` or `v`; null is a value",
    Reason.VALUE_TYPE: "a value is a number, a boolean, a text or null",
    Reason.NOT_FINITE: "NaN and infinities are not values; send null with a bad quality",
    Reason.NUMBER_OUT_OF_RANGE: "whole numbers must fit 64 bits",
    Reason.TEXT_TOO_LONG: "a text has at most 1,024 bytes",
    Reason.TEXT_MALFORMED: "a text must be Unicode without lone surrogates",
    Reason.TIME_MALFORMED: "write the time as milliseconds since 1970 or as ISO 8601 with a zone",
    Reason.TIME_WITHOUT_ZONE: "add a zone to the time, or set the gateway's `time_zone`",
    Reason.TIME_TOO_OLD: "the time is before 2000: check the gateway's clock",
    Reason.TIME_IN_FUTURE: "the time is more than ten minutes ahead: check the gateway's clock",
    Reason.SENSOR_MALFORMED: "a sensor is named by 1 to 255 printable characters",
    Reason.MODEL_MALFORMED: "a model's name has letters, digits, dot, underscore, colon, hyphen",
    Reason.MODEL_NOT_ALLOWED: "allow the model in the gateway's settings, or correct its name",
    Reason.SEQUENCE_LENGTH: "a sequence has 1 to 10,000 numbers",
}
"""What to do about each reason."""

FORBIDDEN = frozenset({Reason.PATH_NOT_ALLOWED, Reason.MODEL_NOT_ALLOWED})
"""Reasons that say "not you" rather than "not like this"."""
