"""What schemathesis cannot read from an OpenAPI document: the texts of PostgreSQL's types, and rules between parts of a
request, which the document tells people in words."""

import datetime
import string

import schemathesis
from hypothesis import strategies as st

DATES = st.dates(datetime.date(1, 1, 1)).map(datetime.date.isoformat)
TIMES = st.times().map(datetime.time.isoformat)
TIMESTAMPS = st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30)).map(datetime.datetime.isoformat)
ZONES = st.sampled_from(["Z", "+00:00", "-11:30", "+14:00"])
ZONED = st.tuples(TIMESTAMPS, ZONES).map("".join)
WORDS = st.text(string.ascii_letters + string.digits + "äöü€漢 _-", max_size=12)
LETTERS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
JSON = st.sampled_from(["null", "true", "7", '"a"', "[]", '[1,{"a":null}]', "{}", '{"a":{"b":1}}'])

# Formats of columns that neither JSON Schema nor OpenAPI's registry knows are the names of PostgreSQL's types.
VALUES = {
    "date": DATES,
    "date-time": ZONED,
    "date-time-local": TIMESTAMPS,
    "time-local": TIMES,
    "timetz": st.tuples(TIMES, ZONES).map("".join),
    "interval": st.integers(-999, 999).map("P{}D".format),
    "inet": st.ip_addresses(v=4).map(str),
    "int4range": st.tuples(st.integers(-99, 0), st.integers(1, 99)).map(lambda ends: f"[{ends[0]},{ends[1]})"),
}
for name, strategy in VALUES.items():
    schemathesis.openapi.format(name, strategy)


def filters(values):
    """Conditions on a column with such values."""
    negated = st.sampled_from(["", "not."])
    compared = st.tuples(st.sampled_from(["eq.", "neq.", "gt.", "gte.", "lt.", "lte."]), values).map("".join)
    listed = st.lists(values.map(quoted), max_size=3).map(lambda texts: f"in.({','.join(texts)})")
    return st.tuples(negated, st.one_of(compared, listed, st.just("is.null"))).map("".join)


def quoted(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


FILTERED = VALUES | {"text": LETTERS, "json": JSON, "array": st.sampled_from(["{}", "{NULL}", "{NULL,NULL}"])}
for name, strategy in FILTERED.items():
    schemathesis.openapi.format(f"filter-of-{name}", filters(strategy))

GROUPS = ["(COLUMN.not.is.null)", "(COLUMN.is.null,not.and(COLUMN.is.null,or(COLUMN.not.is.null)))"]
schemathesis.openapi.format("filter-group", st.sampled_from(GROUPS))

# No cursor can be made up; a time can.
schemathesis.openapi.format("rowbell-position", st.just("2026-01-01T00:00:00Z"))


# A percent sign begins the encoding of what a header cannot carry.
ENCODED = ["Rowbell-Actor", "Rowbell-Branch"]


def is_positive(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


@schemathesis.hook
def before_call(context, case, kwargs):
    if not is_positive(case):
        return
    for name in ENCODED:
        if name in case.headers:
            case.headers[name] = case.headers[name].replace("%", "")
    if case.operation.path == "/feed/{topic}":
        # Nothing is committed for whoever waits here.
        case.query["wait"] = 0
        if case.query.get("snapshot") in (True, "true"):
            case.query.pop("since", None)
    elif case.operation.label.startswith("GET /api/"):
        group(case)
        if "at" in case.query:
            # Of the past, and not together with a version.
            case.query["at"] = "2026-01-01T00:00:00Z"
            case.query.pop("version", None)
    else:
        agree(case)
        if isinstance(case.body, (dict, list)):
            case.body = whole(case.body)


def group(case):
    """Lets groups be about a column that there is."""
    columns = [parameter.name for parameter in case.operation.query]
    for name in ("and", "or"):
        if isinstance(case.query.get(name), list):
            case.query[name] = [text.replace("COLUMN", columns[0]) for text in case.query[name]]


def agree(case):
    """Lets a write name one version, or that there is no row yet."""
    if case.operation.path == "/api/batch":
        return agree_each(case.body)
    tag = case.headers.get("If-Match")
    if tag is None and "If-None-Match" not in case.headers:
        return
    if isinstance(case.body, dict):
        case.body.pop("version", None)
    if tag is None or case.operation.method.upper() == "GET":
        return
    # Quotes are part of a tag; some phases take them for JSON's.
    if not tag.endswith('"'):
        case.headers["If-Match"] = f'"{tag}"'
    case.headers.pop("If-None-Match", None)


def agree_each(batch):
    """The same for each operation of a batch: a key is used once, and what an operation follows was there before."""
    for place, operation in enumerate(batch.get("operations", [])):
        operation.pop("key", None)
        if isinstance(operation.get("version"), dict):
            operation["version"] = place
        if "version" in operation and isinstance(operation.get("row"), dict):
            operation["row"].pop("version", None)


def whole(value):
    """JSON has no whole numbers, and JSON Schema calls 7.0 one; PostgreSQL reads it as a number with a fraction."""
    if isinstance(value, dict):
        return {name: whole(part) for name, part in value.items()}
    if isinstance(value, list):
        return [whole(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
