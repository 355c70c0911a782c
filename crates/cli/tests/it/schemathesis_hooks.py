"""Hooks of schemathesis: what makes its requests those of a client that has read the document."""

import uuid

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    if not (case.headers and case.meta and case.meta.generation.mode.is_positive):
        return
    for name in list(case.headers):
        # Each request is a new one, so it has a key of its own.
        if name.lower() == "idempotency-key":
            case.headers[name] = str(uuid.uuid4())
        # From the pattern of entity tags, which have quotes, schemathesis sends an empty text.
        if name.lower() in ("if-match", "if-none-match") and not case.headers[name]:
            del case.headers[name]
