"""Hooks of schemathesis: each request is a new one, so it has an idempotency key of its own."""

import uuid

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    headers = case.headers or {}
    for name in list(headers):
        if name.lower() == "idempotency-key" and case.meta and case.meta.generation.mode.is_positive:
            headers[name] = str(uuid.uuid4())
